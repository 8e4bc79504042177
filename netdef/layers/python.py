"""Layers in Python code of the user's."""

from __future__ import annotations

from netdef.graph.layer import ANY, SIZE_FROM_OUTSIDE, SIZE_UNKNOWN, Layer, ParameterShape, layer
from netdef.graph.net import Net
from netdef.graph.shape import Shape
from netdef.graph.user_code import UserCode, UserLayer, allowed_user_code
from netdef.language.diagnostics import NetdefError


@layer("Python")
class Python(Layer):
    """Runs a Python class, as in pycaffe, where --allow-python lets it.

    The class has the methods setup, reshape, forward and backward, and gives the tops their shapes; see docs/python-layers.md.
    """

    bottoms_allowed = (0, ANY)
    tops_allowed = (0, ANY)
    is_report = True
    has_shapes_of_run = True
    copies_agree = False  # a source goes on with each run
    settings_by_phase = frozenset({"module", "layer", "param_str"})  # of sources
    user: UserLayer | None = None  # the object of the class, where it may run

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        for field in ("module", "layer"):
            if not getattr(self.p, field):
                raise self.error(f"{field} is missing: it names the Python {'class' if field == 'layer' else 'module'}")
        code = allowed_user_code()
        self.user = code(self) if code else None
        if self.user is not None:
            return self.user.shapes(self, bottoms)
        if not len(self.message.top):
            return []
        if self.assumed and not bottoms:  # a batch of one image
            return [(1, *self.assumed)] * len(self.message.top)
        raise self.not_allowed()

    def parameter_shapes(self, *bottoms: Shape) -> list[ParameterShape]:
        return self.user.parameters() if self.user is not None else []

    def not_allowed(self) -> NetdefError:
        """The error that the user's code would have to run."""
        return self.error(
            f"only {self.p.module}.{self.p.layer} gives the shapes of its tops, and Python code is not run unless it is allowed",
            hint=f"--allow-python (in Python: allow_python=True) runs it; or use Input for a source: {SIZE_FROM_OUTSIDE}",
            code=SIZE_UNKNOWN,
        )


def user_code_of(net: Net) -> UserCode:
    """Gives a net that is built again from this one's message the objects of this one's layers."""
    objects = {layer.name: layer.user for layer in net.layers if isinstance(layer, Python)}
    return lambda layer: objects.get(layer.name)
