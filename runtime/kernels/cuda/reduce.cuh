// Sums over the threads of a block, always in the same order.

// Calls f(in[i]...) for all i in [0, size), a pack to a thread of the block's THREADS at a time, what is left over to one of them.
template <int V, int THREADS, class F, class... In> __device__ inline void each(Index size, F f, const In*... in) {
  for (Index i = threadIdx.x * V; i < size; i += THREADS * V) {
    if (i + V <= size) each_of<V>(f, load<V>(in, i / V)...);
    else for (Index left = i; left < size; ++left) f(widened(in[left])...);
  }
}

// The sum of every thread's value, known to thread 0; a block is THREADS (a power of two) threads along x.
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

// The sums of the first and of the second numbers of pairs [begin, end), V doubles to a load, known to thread 0 of a block.
template <int V, int THREADS>
__device__ inline void sum_pairs(const double* pairs, Index begin, Index end, double& first, double& second) {
  first = second = 0;
  for (Index i = begin + threadIdx.x; i < end; i += THREADS) {
    const Pack<double, V> pair = load<V>(pairs, 2 * i / V);
    first += pair.at[0];
    second += V == 2 ? pair.at[V - 1] : pairs[2 * i + 1];
  }
  first = block_sum<THREADS>(first);
  second = block_sum<THREADS>(second);
}
