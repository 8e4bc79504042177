// Numbers in 16 bits: rounded to the nearest, of two equally near to the even one.  A NaN becomes 0x7fff.  All arrays are flat.
#include "common.cuh"
#include "reduce.cuh"

typedef unsigned short Half;

__device__ inline Half to_fp16(float value) {
  const unsigned bits = __float_as_uint(value), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return 0x7fff;
  if (size >= 0x47800000u) return Half(sign | 0x7c00u);  // from 65536 on; below, rounding up carries into the exponent
  if (size >= 0x38800000u) return Half(sign | (size - 0x38000000u + 0xfffu + (size >> 13 & 1)) >> 13);
  const unsigned shift = 126 - (size >> 23);  // of a number below the normal ones, to multiples of 2 ** -24
  if (shift > 24) return Half(sign);
  const unsigned whole = (size & 0x7fffffu) | 0x800000u, down = whole >> shift, rest = whole & ((1u << shift) - 1);
  const unsigned half = 1u << (shift - 1);
  return Half(sign | (down + (rest > half || (rest == half && (down & 1)))));
}

__device__ inline float from_fp16(Half half) {
  const unsigned sign = unsigned(half & 0x8000) << 16, exponent = half >> 10 & 0x1f, rest = half & 0x3ff;
  if (exponent == 0) return __uint_as_float(sign | __float_as_uint(float(rest) * 5.9604644775390625e-8f));  // 2 ** -24
  return __uint_as_float(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | rest << 13);
}

__device__ inline float from_bf16(Half half) { return widened(bf16{half}); }

template <int V> __global__ void round_bf16(const float* x, Half* y, Index size) {
  map<V>(size, y, [](float a) { return narrowed(a).bits; }, x);
}

template <int V> __global__ void round_fp16(const float* x, Half* y, Index size) {
  map<V>(size, y, [](float a) { return to_fp16(a); }, x);
}

template <int V> __global__ void widen_from_bf16(const Half* x, float* y, Index size) {
  map<V>(size, y, [](Half a) { return from_bf16(a); }, x);
}

template <int V> __global__ void widen_from_fp16(const Half* x, float* y, Index size) {
  map<V>(size, y, [](Half a) { return from_fp16(a); }, x);
}

// partials[b] += the sums of (rounded - x) ** 2 and of x ** 2 over the b-th run of RUN elements.  A block to each.
template <int V, int RUN, bool FP16>
__global__ void rounding_error(const float* __restrict__ x, const Half* __restrict__ rounded, double* __restrict__ partials, Index size) {
  constexpr int THREADS = 256;
  const Index start = Index(blockIdx.x) * RUN;
  double wrong = 0, all = 0;
  each<V, THREADS>(min(Index(RUN), size - start), [&](float before, Half after) {
    const double apart = double(FP16 ? from_fp16(after) : from_bf16(after)) - before;
    wrong += apart * apart;
    all += double(before) * before;
  }, x + start, rounded + start);
  wrong = block_sum<THREADS>(wrong);
  all = block_sum<THREADS>(all);
  if (threadIdx.x != 0) return;
  partials[2 * Index(blockIdx.x)] += wrong;
  partials[2 * Index(blockIdx.x) + 1] += all;
}
