"""A picture as a PNG, by resvg."""

from __future__ import annotations

from pathlib import Path

from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install

_ZOOM = 2.0  # pixels of the PNG for one of the SVG
_LONGEST, _LARGEST = 32_000, 2e8  # pixels of a side, and in all; what is larger is drawn smaller


def png(picture: str) -> bytes:
    """The SVG drawn to a PNG.

    Raises
    ------
    NetdefError: the library is not installed.
    """
    try:
        import resvg_py
    except ImportError:
        hint = f"{install('draw')}; SVG and HTML files do without it"
        raise NetdefError("PNG files need the library resvg-py, which is not installed", hint=hint) from None
    width, height = _size(picture)
    fonts = [str(font) for font in _fonts()]
    zoom = min(_ZOOM, _LONGEST / max(width, height), (_LARGEST / (width * height)) ** 0.5)
    return bytes(resvg_py.svg_to_bytes(svg_string=picture, zoom=zoom, font_files=fonts, sans_serif_family="DejaVu Sans"))


def _size(picture: str) -> tuple[float, float]:
    import re

    found = re.search(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"', picture)
    assert found is not None
    return float(found[1]), float(found[2])


def _fonts() -> list[Path]:
    """DejaVu Sans from matplotlib, for machines without any font."""
    from importlib.util import find_spec

    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [font for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf") if (font := folder / name).is_file()]
