// Sums over the threads of a block, always in the same order.

// The sum of every thread's value, told to thread 0; a block is THREADS (a power of two) threads along x.
template <int THREADS> __device__ inline double block_sum(double value) {
  __shared__ double part[THREADS];
  const int thread = threadIdx.x;
  part[thread] = value;
  for (int half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) part[thread] += part[thread + half];
  }
  __syncthreads();  // nobody writes the next sum's parts before these are added up
  return part[thread];
}

// Blocks of SLICES rows (y) of LANES threads (x): each lane is a column of numbers, every SLICES-th of which is one thread's.
constexpr int LANES = 32, SLICES = 16;

// What `combine` makes of the lane's SLICES values, told to all of its threads.
template <class T, class F> __device__ inline T over_slices(T value, F combine) {
  __shared__ T part[SLICES][LANES];
  part[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  T total = part[0][threadIdx.x];
  for (int slice = 1; slice < SLICES; ++slice) total = combine(total, part[slice][threadIdx.x]);
  __syncthreads();  // nobody writes the next values before all have read these
  return total;
}
