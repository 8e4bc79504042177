"""Several blobs of one shape, combined element by element."""

from __future__ import annotations

from netdef.graph.cuts import Same
from netdef.graph.layer import ANY, Layer, enum_name, layer, shapes_disagree
from netdef.graph.shape import Shape, per_image


@layer("Eltwise")
class Eltwise(Layer):
    """The sum (each bottom times its coeff), the product or the largest of the bottoms.

    Notes
    -----
    As in Caffe (eltwise_layer.cpp), PROD refuses coeff and MAX does not read it.
    """

    cuts = Same()
    bottoms_allowed = (2, ANY)
    channel_groups = None
    kind = "joining"
    is_interchangeable = True

    @property
    def backward_reads(self) -> frozenset[str]:  # type: ignore[override]
        """Of a product its factors; without stable_prod_grad also the product, which is divided by them."""
        if self.operation != "PROD":
            return frozenset()
        return frozenset({"bottom"}) if self.p.stable_prod_grad else frozenset({"bottom", "top"})

    @property
    def adds_up(self) -> bool:
        return self.operation == "SUM"

    @property
    def operation(self) -> str:
        """SUM, PROD or MAX."""
        return enum_name(self.p, "operation")

    @property
    def coefficients(self) -> tuple[float, ...]:
        """One for each bottom; 1 where not given."""
        return tuple(self.p.coeff) or (1.0,) * len(self.bottoms)

    @property
    def window_text(self) -> tuple[str, str]:
        shown = {"SUM": "sum", "PROD": "product", "MAX": "largest"}[self.operation]
        weighted = self.operation == "SUM" and set(self.coefficients) != {1.0}
        return shown, f"coeff {', '.join(f'{one:g}' for one in self.coefficients)}" if weighted else ""

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        for index, shape in enumerate(bottoms):
            if shape != bottoms[0]:
                raise shapes_disagree(self, 0, index, "the same shape")
        if len(self.p.coeff) not in (0, len(bottoms)):
            count = len(self.p.coeff)
            raise self.error(f"{count} coeff for {len(bottoms)} bottoms: give one for each, or none", "coeff")
        if len(self.p.coeff) and self.operation == "PROD":
            raise self.error("coeff is for SUM; PROD takes none", "coeff")
        return [bottoms[0]]

    @property
    def macs(self) -> int:
        return (len(self.bottoms) - 1) * per_image(self.bottoms[0].shape)


@layer("Axpy")
class Axpy(Layer):
    """a * x + y, one a for each channel of each image (Hu et al. 2018).

    Bottoms: a (N x C, or N x C x 1 x 1), x (N x C x H x W), y of the shape of x.
    """

    bottoms_allowed = (3, 3)
    channel_groups = None
    backward_reads = frozenset({"bottom"})
    allows_in_place = False
    kind = "joining"
    origin = "SENet"

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        a, x, y = bottoms
        self.expect_axes(2, 2)
        if a[:2] != x[:2] or any(size != 1 for size in a[2:]):
            raise shapes_disagree(self, 0, 1, "one number for each channel of each image")
        if x != y:
            raise shapes_disagree(self, 1, 2, "the same shape")
        return [x]

    @property
    def macs(self) -> int:
        return per_image(self.bottoms[1].shape)
