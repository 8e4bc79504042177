// Long columns, each shared out over several threads, so that few columns keep many threads busy.  A block's threads are SLICES
// rows (y) of lanes (x): a lane is a pack of columns, every SLICES-th element of which is one thread's.

constexpr int SLICED = 512;  // threads in such a block

// What `combine` makes of the lane's SLICES (a power of two) values, column by column, known to all of its threads.
template <int SLICES, int V, class T, class F> __device__ inline Pack<T, V> over_slices(Pack<T, V> value, F combine) {
  __shared__ Pack<T, V> part[SLICES][SLICED / SLICES];
  const int slice = threadIdx.y, lane = threadIdx.x;
  part[slice][lane] = value;
  for (int half = SLICES / 2; half > 0; half /= 2) {
    __syncthreads();
    if (slice >= half) continue;
    const Pack<T, V> other = part[slice + half][lane];
    for (int v = 0; v < V; ++v) value.at[v] = combine(value.at[v], other.at[v]);
    part[slice][lane] = value;
  }
  __syncthreads();
  value = part[0][lane];
  __syncthreads();  // nobody writes the next values before all have read these
  return value;
}
