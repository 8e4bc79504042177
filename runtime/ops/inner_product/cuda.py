"""Plans of a fully connected layer: matrix products on x (A, K, N), w (O, K) and y (A, O, N), and convolution.cu's bias.

With 3xtf32 the weights' gradient is made in a convolution's tiles, as that of a window of one pixel; cuBLAS lacks that mode.
"""

from __future__ import annotations

from dataclasses import replace

from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Gemm, Matrix, Plan, plans
from runtime.kernels.operand import Operand
from runtime.ops.convolution import implicit_cuda
from runtime.ops.convolution.cuda import bias_relu
from runtime.ops.convolution.geometry import Geometry

OF_ONE_PIXEL = Geometry((1, 1), (1, 1), (0, 0), (1, 1), 1)


def columns(array: int, operand: Operand, transposed: bool = False) -> Matrix:
    """The n-th array's matrices (rows, N), one for each A."""
    _, rows, N = operand.shape
    return Matrix(array, 0, N, rows * N, transposed)


@plans
def inner_product(
    x: Operand, w: Operand, b: Operand, y: Operand, transpose: bool, has_bias: bool, relu: bool, slope: float
) -> Plan:
    (A, K, N), O = x.shape, y.shape[1]
    product = Gemm(O, N, K, Matrix(1, 0, w.shape[1], 0, transpose), columns(0, x), columns(3, y), batch=A)
    return Plan((product, *bias_relu(y, 2, 3, has_bias, relu, slope)))


@plans
def inner_product_weight_gradient(x: Operand, dy: Operand, dw: Operand, transpose: bool, target: Target) -> Plan:
    A, _, N = x.shape
    if target.math == "3xtf32" and A == 1 and not transpose:  # which cuBLAS does not know
        blobs = (replace(one, shape=(one.shape[1], 1, 1, N)) for one in (x, dy))
        image, gradient, weights = *blobs, replace(dw, shape=(*dw.shape, 1, 1))
        if implicit_cuda.fits(image, weights, gradient, OF_ONE_PIXEL, target):
            return implicit_cuda.weight_gradient(image, gradient, weights, OF_ONE_PIXEL, target)
    left, right = ((0, x), (1, dy)) if transpose else ((1, dy), (0, x))

    def one(a: int) -> Gemm:
        rows, across = (Matrix(array, a * operand.shape[1] * N, N) for array, operand in (left, right))
        product = rows, replace(across, transposed=True), Matrix(2, 0, dw.shape[1])
        return Gemm(dw.shape[0], dw.shape[1], N, *product, accumulate=a > 0)

    return Plan(tuple(one(a) for a in range(A)))


@plans
def inner_product_input_gradient(dy: Operand, w: Operand, dx: Operand, transpose: bool) -> Plan:
    A, K, N = dx.shape
    weights = Matrix(1, 0, w.shape[1], 0, not transpose)
    return Plan((Gemm(K, N, dy.shape[1], weights, columns(0, dy), columns(2, dx), batch=A),))
