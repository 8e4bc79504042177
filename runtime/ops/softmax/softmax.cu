// Softmax along the middle axis of (outer, C, packs).
#include "common.cuh"
#include "slices.cuh"

// y = exp(x - max x) / sum(exp(x - max x)).
template <int V, int SLICES> __global__ void softmax_forward(const float* x, float* y, Index outer, int C, Index packs) {
  const Index pack = flat_thread();
  const int classes = pack < packs ? C : 0;  // threads beyond the array stay for the barriers
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Index start = o * C * packs + pack;
    Pack<float, V> largest = classes ? load<V>(x, start) : all<V>(0.f), total = all<V>(0.f);
    for (int c = threadIdx.y; c < classes; c += SLICES) {
      const Pack<float, V> value = load<V>(x, start + c * packs);
      for (int v = 0; v < V; ++v) largest.at[v] = value.at[v] < largest.at[v] ? largest.at[v] : value.at[v];
    }
    largest = over_slices<SLICES>(largest, [](float a, float b) { return b < a ? a : b; });
    for (int c = threadIdx.y; c < classes; c += SLICES) {
      Pack<float, V> value = load<V>(x, start + c * packs);
      for (int v = 0; v < V; ++v) {
        value.at[v] = expf(value.at[v] - largest.at[v]);
        total.at[v] += value.at[v];
      }
      store<V>(y, start + c * packs, value);
    }
    total = over_slices<SLICES>(total, [](float a, float b) { return a + b; });
    for (int v = 0; v < V; ++v) total.at[v] = 1.f / total.at[v];
    for (int c = threadIdx.y; c < classes; c += SLICES) {
      Pack<float, V> value = load<V>(y, start + c * packs);
      for (int v = 0; v < V; ++v) value.at[v] *= total.at[v];
      store<V>(y, start + c * packs, value);
    }
  }
}

// dx = y * (dy - sum(y * dy)).
template <int V, int SLICES>
__global__ void softmax_backward(const float* dy, const float* y, float* dx, Index outer, int C, Index packs) {
  const Index pack = flat_thread();
  const int classes = pack < packs ? C : 0;
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Index start = o * C * packs + pack;
    Pack<float, V> total = all<V>(0.f);
    for (int c = threadIdx.y; c < classes; c += SLICES) {
      const Pack<float, V> gradient = load<V>(dy, start + c * packs), value = load<V>(y, start + c * packs);
      for (int v = 0; v < V; ++v) total.at[v] += gradient.at[v] * value.at[v];
    }
    total = over_slices<SLICES>(total, [](float a, float b) { return a + b; });
    for (int c = threadIdx.y; c < classes; c += SLICES) {
      const Index at = start + c * packs;
      const Pack<float, V> gradient = load<V>(dy, at);
      Pack<float, V> value = load<V>(y, at);
      for (int v = 0; v < V; ++v) value.at[v] *= gradient.at[v] - total.at[v];
      store<V>(dx, at, value);
    }
  }
}
