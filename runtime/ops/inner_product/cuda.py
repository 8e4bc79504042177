"""Plans of a fully connected layer: matrix products on x (A, K, N), w (O, K) and y (A, O, N), and convolution.cu's bias.

With 3xtf32 and bf16 they are made in tiles, the weights' gradient in a convolution's, as that of a window of one pixel; else, and
where tiles do not fit, cuBLAS makes them.
"""

from __future__ import annotations

from dataclasses import replace

from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Gemm, Launch, Matrix, Plan, narrows, plans
from runtime.kernels.operand import Operand, Pointer
from runtime.ops.convolution import implicit_cuda
from runtime.ops.convolution.cuda import bias_relu
from runtime.ops.convolution.geometry import Geometry
from runtime.ops.inner_product import tiles_cuda

OF_ONE_PIXEL = Geometry((1, 1), (1, 1), (0, 0), (1, 1), 1)


def columns(array: int, operand: Operand, transposed: bool = False) -> Matrix:
    """The n-th array's matrices (rows, N), one for each A."""
    _, rows, N = operand.shape
    return Matrix(array, 0, N, rows * N, transposed)


@plans
def inner_product(
    x: Operand, w: Operand, b: Operand, y: Operand, transpose: bool, has_bias: bool, relu: bool, slope: float, target: Target
) -> Plan:
    (A, K, N), O = x.shape, y.shape[1]
    if tiles_cuda.fits(x, w, y, target):
        return tiles_cuda.product(x, w, y, (0, 1, 2, 3), transpose, target, has_bias, relu, slope)
    product = Gemm(O, N, K, Matrix(1, 0, w.shape[1], 0, transpose), columns(0, x), columns(3, y), batch=A)
    return Plan((product, *bias_relu(y, 2, 3, has_bias, relu, slope)))


def as_pixels(x: Operand, dy: Operand, dw: Operand, transpose: bool) -> tuple[Operand, Operand, Operand]:
    """The input, the output's gradient and the weights of a convolution whose weights' gradient is dw."""
    image, gradient = (replace(one, shape=(one.shape[1], 1, 1, one.shape[2])) for one in ((dy, x) if transpose else (x, dy)))
    return image, gradient, replace(dw, shape=(*dw.shape, 1, 1))


def gradient_in_tiles(x: Operand, dy: Operand, dw: Operand, transpose: bool, target: Target) -> bool:
    """Whether the gradient of weights is made in tiles: in the modes that have them, of one product."""
    if target.math not in tiles_cuda.OWN or x.shape[0] != 1:
        return False
    image, gradient, weights = as_pixels(x, dy, dw, transpose)
    tiles = implicit_cuda.weight_tiles(weights, target.math)
    busy = implicit_cuda.BUSY * tiles >= target.multiprocessors
    return busy and implicit_cuda.can_count(image, weights, gradient, OF_ONE_PIXEL, target)


@plans
def inner_product_weight_gradient(x: Operand, dy: Operand, dw: Operand, transpose: bool, target: Target) -> Plan:
    A, _, N = x.shape
    if gradient_in_tiles(x, dy, dw, transpose, target):
        made = implicit_cuda.weight_gradient(*as_pixels(x, dy, dw, transpose), OF_ONE_PIXEL, target)
        return with_arrays(made, {0: 1, 1: 0}) if transpose else made
    left, right = ((0, x), (1, dy)) if transpose else ((1, dy), (0, x))

    def one(a: int) -> Gemm:
        rows, across = (Matrix(array, a * operand.shape[1] * N, N) for array, operand in (left, right))
        product = rows, replace(across, transposed=True), Matrix(2, 0, dw.shape[1])
        return Gemm(dw.shape[0], dw.shape[1], N, *product, accumulate=a > 0)

    return Plan(tuple(one(a) for a in range(A)))


def with_arrays(made: Plan, other: dict[int, int]) -> Plan:
    """The plan with some arrays in the place of others."""
    launches = (one for one in made.launches if isinstance(one, Launch))
    return replace(made, launches=tuple(replace(one, pointers=tuple(swap(p, other) for p in one.pointers)) for one in launches))


def swap(pointer: Pointer, other: dict[int, int]) -> Pointer:
    """The array that takes the place of one."""
    return other.get(pointer, pointer) if isinstance(pointer, int) else pointer


@plans
def inner_product_input_gradient(dy: Operand, w: Operand, dx: Operand, transpose: bool, target: Target) -> Plan:
    A, K, N = dx.shape
    if tiles_cuda.fits(dy, w, dx, target):
        return tiles_cuda.product(dy, w, dx, (0, 1, 1, 2), not transpose, target)
    weights = Matrix(1, 0, w.shape[1], 0, not transpose)
    return Plan((Gemm(K, N, dy.shape[1], weights, columns(0, dy), columns(2, dx), batch=A),))


def is_narrow(x: Operand, w: Operand, *others: Operand, target: Target, **_: object) -> bool:
    """Whether a product is made in tiles that take bfloat16."""
    return tiles_cuda.fits(x, w, others[-1], target)


narrows("inner_product", 0, 3, when=is_narrow)
narrows("inner_product_input_gradient", 0, 2, when=is_narrow)
narrows("inner_product_weight_gradient", 0, 1, when=gradient_in_tiles)
