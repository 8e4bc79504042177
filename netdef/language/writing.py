"""Write files atomically."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from netdef.language.diagnostics import NetdefError


def write_over(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Write a temporary file in the same folder, and rename it: at any moment the old or the new file is complete.

    Permissions of an existing file are kept, and a link is followed. A pipe or a device is written to directly.

    Raises
    ------
    NetdefError: it cannot be written.
    """
    whole = data.encode() if isinstance(data, str) else data
    target = Path(path).resolve()
    temporary = None
    try:
        if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
            Path(path).write_bytes(whole)
            return
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = file.name
            file.write(whole)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        else:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        hint = "" if target.parent.is_dir() else f"there is no folder {Path(path).parent}"
        raise NetdefError(f"cannot write {path}: {error.strerror}", hint=hint) from None
