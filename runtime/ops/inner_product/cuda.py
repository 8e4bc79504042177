"""Plans of a fully connected layer: matrix products on x (A, K, N), w (O, K) and y (A, O, N), and convolution.cu's bias."""

from __future__ import annotations

from dataclasses import replace

from runtime.kernels.cuda.registry import Gemm, Matrix, Plan, plans
from runtime.kernels.operand import Operand
from runtime.ops.convolution.cuda import bias_relu


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
def inner_product_weight_gradient(x: Operand, dy: Operand, dw: Operand, transpose: bool) -> Plan:
    A, _, N = x.shape
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
