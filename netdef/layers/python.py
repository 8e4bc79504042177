"""Layers in Python code of the user's."""

from __future__ import annotations

from netdef.graph.layer import ANY, SIZE_FROM_OUTSIDE, SIZE_UNKNOWN, Layer, layer
from netdef.graph.shape import Shape


@layer("Python")
class Python(Layer):
    """Runs a class of the user's, which gives the shapes of its tops."""

    bottoms_allowed = (0, ANY)
    tops_allowed = (0, ANY)
    is_report = True

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        for field in ("module", "layer"):
            if not getattr(self.p, field):
                raise self.error(f"{field} is missing: it names the Python {'class' if field == 'layer' else 'module'}")
        if not len(self.message.top):
            return []
        if self.assumed and not bottoms:  # a batch of one image
            return [(1, *self.assumed)] * len(self.message.top)
        raise self.error(
            f"only {self.p.module}.{self.p.layer} gives the shapes of its tops, and the compiler does not run it",
            hint="for a source, use Input with its shape; " + SIZE_FROM_OUTSIDE,
            code=SIZE_UNKNOWN,
        )
