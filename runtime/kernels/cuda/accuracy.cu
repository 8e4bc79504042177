// How often the label is among the best scores.  Scores are (outer, C, inner), with a label for each (outer, inner).
#include "common.cuh"
#include "labels.cuh"
#include "reduce.cuh"

constexpr int THREADS = 256;

// hits = 1 if fewer than top_k other scores reach the label's own, else 0; -1 for an ignored label, NaN for one that is no class.
__global__ void accuracy_hits(
    const float* scores, const float* labels, float* hits, Index outer, int C, Index inner, int top_k, float ignore) {
  const Index i = Index(blockIdx.x) * LANES + threadIdx.x;
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Index start = o * C * inner + i;
    const float label = i < inner ? labels[o * inner + i] : ignore;
    const bool counts = label != ignore && is_class(label, C);
    const float own = counts ? scores[start + int(label) * inner] : 0.f;
    int reach = 0;  // its own score among them
    for (int c = threadIdx.y; counts && c < C; c += SLICES) reach += scores[start + c * inner] < own ? 0 : 1;
    reach = over_slices(reach, [](int a, int b) { return a + b; });
    if (threadIdx.y == 0 && i < inner) {
      const float hit = reach - 1 < top_k ? 1.f : 0.f;
      hits[o * inner + i] = label == ignore ? -1.f : counts ? hit : not_a_number();
    }
  }
}

// share = the hits among the labels that count; 0 if none does.  One block.
__global__ void accuracy_share(const float* hits, float* share, Index size) {
  double right = 0, count = 0;
  for (Index i = threadIdx.x; i < size; i += THREADS) {
    const float hit = hits[i];
    if (hit < 0) continue;
    right += hit;
    ++count;
  }
  right = block_sum<THREADS>(right);
  count = block_sum<THREADS>(count);
  if (threadIdx.x == 0) share[0] = count > 0 ? float(right / count) : 0.f;
}

// shares = the hits among the labels of each class; 0 for a class without any.  A block to each class.
__global__ void accuracy_per_class(const float* hits, const float* labels, float* shares, Index size) {
  double right = 0, count = 0;
  for (Index i = threadIdx.x; i < size; i += THREADS) {
    if (labels[i] != blockIdx.x || hits[i] < 0) continue;
    right += hits[i];
    ++count;
  }
  right = block_sum<THREADS>(right);
  count = block_sum<THREADS>(count);
  if (threadIdx.x == 0) shares[blockIdx.x] = count > 0 ? float(right / count) : 0.f;
}
