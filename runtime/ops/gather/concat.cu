// Parts of rows, joined and taken: (rows, packs) inside of (rows, wide), from pack `offset` on.
#include "common.cuh"

template <int V>
__global__ void join_columns(
    const float* __restrict__ x, float* __restrict__ y, Index rows, Index packs, Index wide, Index offset) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (Index row = Index(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += Index(gridDim.y) * blockDim.y) {
    store<V>(y, row * wide + offset + pack, load<V>(x, row * packs + pack));
  }
}

template <int V>
__global__ void take_columns(
    const float* __restrict__ x, float* __restrict__ y, Index rows, Index packs, Index wide, Index offset) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (Index row = Index(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += Index(gridDim.y) * blockDim.y) {
    store<V>(y, row * packs + pack, load<V>(x, row * wide + offset + pack));
  }
}
