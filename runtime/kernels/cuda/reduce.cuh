// Sums over the threads of a block, always in the same order.

// The sum of every thread's value, told to all; a block is THREADS (a power of two) threads along x.
template <int THREADS> __device__ inline double block_sum(double value) {
  __shared__ double part[THREADS];
  const int thread = threadIdx.x;
  part[thread] = value;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) part[thread] += part[thread + half];
  }
  __syncthreads();
  const double sum = part[0];
  __syncthreads();  // nobody writes the next sum's parts before all have read this one
  return sum;
}
