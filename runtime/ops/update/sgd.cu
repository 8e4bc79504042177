// Stochastic gradient descent with momentum, as Caffe's sgd_solver.cpp updates.  All arrays are flat.
#include "common.cuh"
#include "reduce.cuh"

template <int V, bool L1>
__device__ inline void step(
    Index pack, float* weight, const float* gradient, float* history, float rate, float scale, float decay, float momentum) {
  Pack<float, V> w = load<V>(weight, pack), h = load<V>(history, pack);
  const Pack<float, V> g = load<V>(gradient, pack);
  for (int v = 0; v < V; ++v) {
    const float pull = L1 ? float(w.at[v] > 0) - float(w.at[v] < 0) : w.at[v];
    h.at[v] = rate * (scale * g.at[v] + decay * pull) + momentum * h.at[v];
    w.at[v] -= h.at[v];
  }
  store<V>(history, pack, h);
  store<V>(weight, pack, w);
}

// history = rate * lr_mult * (scale * gradient + decay * weight) + momentum * history; weight -= history.  L1: decay pulls by the
// weight's sign.
template <int V, bool L1>
__global__ void sgd_update(
    float* __restrict__ weight, const float* __restrict__ gradient, float* __restrict__ history, const float* __restrict__ rate,
    const float* __restrict__ scale, Index size, float lr_mult, float decay, float momentum) {
  const Index thread = flat_thread(), packs = size / V, left = packs * V + thread - packs;
  const float local_rate = rate[0] * lr_mult;
  if (thread < packs) step<V, L1>(thread, weight, gradient, history, local_rate, scale[0], decay, momentum);
  else if (left < size) step<1, L1>(left, weight, gradient, history, local_rate, scale[0], decay, momentum);
}

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

// out = scale, times clip / norm where norm = sqrt(sum of squares) is larger than clip.  One block.
template <int V>
__global__ void clip_scale(const double* __restrict__ squares, float* __restrict__ out, Index size, double clip, double scale) {
  constexpr int THREADS = 256;
  double total = 0;
  each<V, THREADS>(size, [&](double square) { total += square; }, squares);
  total = block_sum<THREADS>(total);
  if (threadIdx.x != 0) return;
  const double norm = sqrt(total);
  out[0] = float(norm > clip ? scale * clip / norm : scale);
}
