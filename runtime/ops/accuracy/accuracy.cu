// How often the label is among the best scores.  Scores are (outer, C, packs), with a label for each (outer, packs).
#include "common.cuh"
#include "labels.cuh"
#include "reduce.cuh"
#include "slices.cuh"

constexpr int THREADS = 256;

// hits = 1 if fewer than top_k other scores reach the label's own, else 0; -1 for an ignored label, NaN for one that is no class.
template <int V, int SLICES>
__global__ void accuracy_hits(
    const float* scores, const float* labels, float* hits, Index outer, int C, Index packs, int top_k, float ignore) {
  const Index pack = flat_thread();
  const int classes = pack < packs ? C : 0;  // threads beyond the array stay for the barriers
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Index start = o * C * packs + pack;
    const Pack<float, V> label = classes ? load<V>(labels, o * packs + pack) : all<V>(ignore);
    Pack<float, V> own = all<V>(0.f);
    for (int v = 0; v < V; ++v) {
      if (label.at[v] != ignore && is_class(label.at[v], C)) own.at[v] = scores[(start + int(label.at[v]) * packs) * V + v];
    }
    Pack<int, V> reach = all<V>(0);  // its own score among them
    for (int c = threadIdx.y; c < classes; c += SLICES) {
      const Pack<float, V> score = load<V>(scores, start + c * packs);
      for (int v = 0; v < V; ++v) reach.at[v] += score.at[v] < own.at[v] ? 0 : 1;
    }
    reach = over_slices<SLICES>(reach, [](int a, int b) { return a + b; });
    if (threadIdx.y != 0 || !classes) continue;
    Pack<float, V> hit;
    for (int v = 0; v < V; ++v) {
      const float among = reach.at[v] - 1 < top_k ? 1.f : 0.f;
      hit.at[v] = label.at[v] == ignore ? -1.f : is_class(label.at[v], C) ? among : not_a_number();
    }
    store<V>(hits, o * packs + pack, hit);
  }
}

// accuracy = the hits divided by the labels that count; 0 if none does.  One block.
template <int V> __global__ void accuracy_mean(const float* hits, float* accuracy, Index size) {
  double right = 0, count = 0;
  each<V, THREADS>(size, [&](float hit) {
    if (hit < 0) return;
    right += hit;
    ++count;
  }, hits);
  right = block_sum<THREADS>(right);
  count = block_sum<THREADS>(count);
  if (threadIdx.x == 0) accuracy[0] = count > 0 ? float(right / count) : 0.f;
}

// accuracies = the hits divided by the labels of each class; 0 for a class without any.  A block to each class.
template <int V> __global__ void accuracy_per_class(const float* hits, const float* labels, float* accuracies, Index size) {
  double right = 0, count = 0;
  each<V, THREADS>(size, [&](float hit, float label) {
    if (label != blockIdx.x || hit < 0) return;
    right += hit;
    ++count;
  }, hits, labels);
  right = block_sum<THREADS>(right);
  count = block_sum<THREADS>(count);
  if (threadIdx.x == 0) accuracies[blockIdx.x] = count > 0 ? float(right / count) : 0.f;
}
