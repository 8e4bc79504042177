// Numbers of a run that stay on the device until somebody looks.
#include "common.cuh"
#include "reduce.cuh"

// ring[turn % rounds][column] = the sum of the column-th of equal runs of x.  A block to each column.
template <int V> __global__ void remember(const float* x, const Index* turn, double* ring, Index size, Index rounds) {
  constexpr int THREADS = 256;
  double total = 0;
  each<V, THREADS>(size, [&](float value) { total += value; }, x + blockIdx.x * size);
  total = block_sum<THREADS>(total);
  if (threadIdx.x == 0) ring[turn[0] % rounds * gridDim.x + blockIdx.x] = total;
}
