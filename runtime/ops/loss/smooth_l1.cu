// The smooth L1 loss: f(d) = d^2 square / 2 where |d| < 1 / square, else |d| - 1 / (2 square), of d = inside * (a - b).
#include "common.cuh"
#include "reduce.cuh"

constexpr int THREADS = 256;

// Sums of outside * f(d) over runs of RUN elements; INSIDE, OUTSIDE: whether there are such weights.
template <int V, int RUN, bool INSIDE, bool OUTSIDE>
__global__ void smooth_l1_terms(
    const float* a, const float* b, const float* inside, const float* outside, double* partials, Index size, float square) {
  const Index start = Index(blockIdx.x) * RUN, count = min(Index(RUN), size - start);
  double total = 0;
  each<V, THREADS>(count, [&](float left, float right, float in, float out) {
    const float d = INSIDE ? (left - right) * in : left - right, size = fabsf(d);
    const float term = size < 1.f / square ? 0.5f * d * d * square : size - 0.5f / square;
    total += OUTSIDE ? term * out : term;
  }, a + start, b + start, (INSIDE ? inside : a) + start, (OUTSIDE ? outside : a) + start);
  total = block_sum<THREADS>(total);
  if (threadIdx.x != 0) return;
  partials[2 * blockIdx.x] = total;
  partials[2 * blockIdx.x + 1] = double(count);
}

// dx = sign * inside * outside * f'(d) * dloss / normalizer.
template <int V, bool INSIDE, bool OUTSIDE>
__global__ void smooth_l1_backward(
    const float* a, const float* b, const float* inside, const float* outside, const float* dloss, const float* normalizer,
    float* dx, Index size, float square, float sign) {
  const float factor = sign * dloss[0] / normalizer[0];
  map<V>(size, dx, [=](float left, float right, float in, float out) {
    const float d = INSIDE ? (left - right) * in : left - right;
    float slope = fabsf(d) < 1.f / square ? d * square : d > 0 ? 1.f : d < 0 ? -1.f : d;  // the last: NaN
    if (INSIDE) slope *= in;
    if (OUTSIDE) slope *= out;
    return factor * slope;
  }, a, b, INSIDE ? inside : a, OUTSIDE ? outside : a);
}
