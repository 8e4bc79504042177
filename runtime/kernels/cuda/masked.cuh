// What the kernel of a blob's gradient may do with it at once: mask it by the ReLU before, and sum it for the gradient of a bias.

constexpr int AS_IT_IS = 0, MASKED = 1, MASKED_AND_SUMMED = 2;  // AFTER: what is done
constexpr int LANES = 32;

// The gradient of what the ReLU was given, whose result is `y`.
template <int V> __device__ inline void mask(Pack<float, V>& gradient, const Pack<float, V>& y, float slope) {
  for (int v = 0; v < V; ++v) gradient.at[v] = y.at[v] > 0 ? gradient.at[v] : slope * gradient.at[v];
}

// The sum of all lanes of a warp, which every one of them has to ask for; known to all.
__device__ inline float sum_of_lanes(float value) {
  for (int apart = LANES / 2; apart > 0; apart /= 2) value += __shfl_xor_sync(~0u, value, apart);
  return value;
}

// partial (rows, warps): of a row the sum of this warp's packs, in blocks of one row of threads; `any`: whether the thread has one.
template <int V> __device__ inline void put_sum(float* partial, Index row, const Pack<float, V>& values, bool any) {
  float sum = 0;
  for (int v = 0; v < V; ++v) sum += values.at[v];
  sum = sum_of_lanes(any ? sum : 0.f);
  const int warps = blockDim.x / LANES;
  if (threadIdx.x % LANES == 0) partial[row * gridDim.x * warps + blockIdx.x * warps + threadIdx.x / LANES] = sum;
}
