"""A matrix product of a recurrent layer, for one time step or for all: forward and its gradients."""

from __future__ import annotations

from dataclasses import dataclass

from netdef.layers.recurrent import Recurrent
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer


@dataclass(frozen=True)
class Product:
    """y (A, O, N) = w x (A, K, N) + b.

    Parameters
    ----------
    weights, bias: indices of the layer's parameters; bias None: there is none.
    """

    layer: Recurrent
    build: Builder
    weights: int
    bias: int | None = None

    @property
    def w(self) -> Buffer:
        return self.build.parameter(self.layer, self.weights)

    def macs(self, x: Buffer) -> int:
        """For each entry of the layer's first axis, which is time."""
        A, _, N = x.shape
        return -(-A * N * self.w.size // self.layer.bottoms[0].shape[0])

    def forward(self, x: Buffer, y: Buffer) -> None:
        b = self.w if self.bias is None else self.build.parameter(self.layer, self.bias)
        self.build.forward(
            "inner_product", x, self.w, b, out=y, transpose=False, has_bias=self.bias is not None, relu=False, slope=0.0,
            macs=self.macs(x),
        )  # fmt: skip

    def input_gradient(self, dy: Buffer, dx: Buffer) -> None:
        self.build.backward("inner_product_input_gradient", dy, self.w, out=dx, transpose=False, macs=self.macs(dx))

    def parameter_gradients(self, x: Buffer, dy: Buffer) -> None:
        """Those that the layer's parameters need."""
        layer, build = self.layer, self.build
        if self.bias is not None and build.needs_parameter_gradient(layer, self.bias):
            A, O, N = dy.shape
            build.backward("bias_gradient", dy.view((A, O, 1, N)), out=build.parameter_gradient(layer, self.bias))
        if build.needs_parameter_gradient(layer, self.weights):
            dw = build.parameter_gradient(layer, self.weights)
            build.backward("inner_product_weight_gradient", x, dy, out=dw, transpose=False, macs=self.macs(x))
