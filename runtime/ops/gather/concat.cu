// Parts of rows, joined and taken: (rows, packs) inside of (rows, wide), from pack `offset` on.
#include "common.cuh"

template <int V, class X = float, class Y = float>
__global__ void join_columns(
    const X* __restrict__ x, Y* __restrict__ y, Index rows, Index packs, Index wide, Index offset) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (Index row = Index(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += Index(gridDim.y) * blockDim.y) {
    store<V>(y, row * wide + offset + pack, load<V>(x, row * packs + pack));
  }
}

template <int V, class X = float, class Y = float>
__global__ void take_columns(
    const X* __restrict__ x, Y* __restrict__ y, Index rows, Index packs, Index wide, Index offset) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (Index row = Index(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += Index(gridDim.y) * blockDim.y) {
    store<V>(y, row * packs + pack, load<V>(x, row * wide + offset + pack));
  }
}
