// The gradient of a ReLU together with that of the bias that was added before it.
#include "common.cuh"
#include "masked.cuh"
#include "reduce.cuh"

// dx (rows, packs) = dy where y is above zero, else slope * dy; partial (rows, warps): see masked.cuh.  dx may be dy.
template <int V, class DY = float, class Y = float, class DX = float>
__global__ void relu_backward_bias(
    const DY* dy, const Y* __restrict__ y, DX* dx, float* __restrict__ partial, Index rows, Index packs, float slope) {
  const Index pack = flat_thread();
  const bool any = pack < packs;
  for (Index row = blockIdx.y; row < rows; row += gridDim.y) {
    Pack<float, V> gradient = all<V>(0.f);
    if (any) {
      gradient = load<V>(dy, row * packs + pack);
      mask<V>(gradient, load<V>(y, row * packs + pack), slope);
      store<V>(dx, row * packs + pack, gradient);
    }
    put_sum<V>(partial, row, gradient, any);
  }
}

// db (rows,) = the sums of partial (rows, warps).  A block to each.
template <int THREADS>
__global__ void sum_warps(const float* __restrict__ partial, float* __restrict__ db, Index warps) {
  double total = 0;
#pragma unroll 4
  for (Index warp = threadIdx.x; warp < warps; warp += THREADS) total += partial[blockIdx.x * warps + warp];
  total = block_sum<THREADS>(total);
  if (threadIdx.x == 0) db[blockIdx.x] = float(total);
}
