// What comes before the solvers' updates: sums of gradients, norms, and the rates that follow from them.  All arrays are flat.
#include "common.cuh"
#include "reduce.cuh"

// total += gradient, or total = gradient where `added`, how many it holds already, is 0.
template <int V> __global__ void accumulate(const float* gradient, const float* added, float* total, Index size) {
  const bool first = added[0] == 0;
  map<V>(size, total, [=](float part, float before) { return first ? part : before + part; }, gradient, total);
}

// partials[b] = the sum of x ** 2 over the b-th run of RUN elements.  A block to each.
template <int V, int RUN> __global__ void sum_of_squares(const float* __restrict__ x, double* __restrict__ partials, Index size) {
  constexpr int THREADS = 256;
  const Index start = Index(blockIdx.x) * RUN;
  double total = 0;
  each<V, THREADS>(min(Index(RUN), size - start), [&](float value) { total += double(value) * value; }, x + start);
  total = block_sum<THREADS>(total);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

// The sum of an array, to thread 0 of the one block.
template <int V> __device__ inline double sum_of(const double* numbers, Index size) {
  constexpr int THREADS = 256;
  double total = 0;
  each<V, THREADS>(size, [&](double number) { total += number; }, numbers);
  return block_sum<THREADS>(total);
}

// out = scale, times clip / norm where norm = sqrt(sum of squares) is larger than clip.  One block.
template <int V>
__global__ void clip_scale(const double* __restrict__ squares, float* __restrict__ out, Index size, double clip, double scale) {
  const double norm = sqrt(sum_of<V>(squares, size));
  if (threadIdx.x != 0) return;
  out[0] = float(norm > clip ? scale * clip / norm : scale);
}

// local_rate = rate times, or CLIP: at most, eta * |w| / (|g| + decay * |w|); that is 1 where |w| or |g| is 0.  One block.
template <int V, bool CLIP>
__global__ void larc_rate(
    const double* __restrict__ weight_squares, const double* __restrict__ gradient_squares, const float* __restrict__ rate,
    const float* __restrict__ scale, float* __restrict__ local_rate, Index size, double eta, double decay) {
  const double weights = sum_of<V>(weight_squares, size), gradients = sum_of<V>(gradient_squares, size);
  if (threadIdx.x != 0) return;
  const double w = sqrt(weights), g = sqrt(gradients) * scale[0];
  const double own = w > 0 && g > 0 ? eta * w / (g + decay * w) : 1;
  local_rate[0] = float(!CLIP ? rate[0] * own : own < rate[0] ? own : rate[0]);
}
