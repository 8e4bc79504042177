// The largest elements along the middle axis of (outer, C, packs), in order.
#include "common.cuh"
#include "slices.cuh"

struct Element {
  float value;
  int index;  // -1: none

  __device__ bool is_nan() const { return value != value; }
  // Whether it stands before another: the larger one, of equals the later one; NaN is larger than all.
  __device__ bool precedes(const Element& other) const {
    if (is_nan() || other.is_nan()) return is_nan() && (!other.is_nan() || index > other.index);
    return value > other.value || (value == other.value && index > other.index);
  }
};

__device__ inline Element first_of(const Element& a, const Element& b) {
  return b.index < 0 || (a.index >= 0 && a.precedes(b)) ? a : b;
}

// y (outer, K, packs) = the K elements that come first, or their indices.  Each of the K passes finds the first of those behind the
// last pass's.
template <int V, int SLICES, bool VALUES>
__global__ void largest(const float* __restrict__ x, float* __restrict__ y, Index outer, int C, Index packs, int K) {
  const Index pack = flat_thread();
  const int elements = pack < packs ? C : 0;  // threads beside the array stay for the barriers
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    Pack<Element, V> last = all<V>(Element{0.f, -1});
    for (int k = 0; k < K; ++k) {
      Pack<Element, V> best = all<V>(Element{0.f, -1});
      for (int c = threadIdx.y; c < elements; c += SLICES) {
        const Pack<float, V> value = load<V>(x, (o * C + c) * packs + pack);
        for (int v = 0; v < V; ++v) {
          const Element here = {value.at[v], c};
          if (k == 0 || last.at[v].precedes(here)) best.at[v] = first_of(best.at[v], here);
        }
      }
      last = over_slices<SLICES>(best, [](const Element& a, const Element& b) { return first_of(a, b); });
      if (threadIdx.y != 0 || !elements) continue;
      Pack<float, V> found;
      for (int v = 0; v < V; ++v) found.at[v] = VALUES ? last.at[v].value : float(last.at[v].index);
      store<V>(y, (o * K + k) * packs + pack, found);
    }
  }
}
