// Rows of a table, picked by number: x (A, packs), the table w (K, D), y (A, D, packs).
#include "common.cuh"
#include "labels.cuh"

// y[a, d, n] = w[x[a, n], d] + b[d]; NaN for a number that is no row.
template <int V, bool BIAS>
__global__ void embed(
    const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ b, float* __restrict__ y, Index A, int K,
    int D, Index packs) {
  const Index thread = flat_thread();
  if (thread >= A * D * packs) return;
  const Index pack = thread % packs, a = thread / packs / D;
  const int d = thread / packs % D;
  const float bias = BIAS ? b[d] : 0.f;
  const Pack<float, V> number = load<V>(x, a * packs + pack);
  Pack<float, V> row;
  for (int v = 0; v < V; ++v) row.at[v] = is_class(number.at[v], K) ? w[Index(number.at[v]) * D + d] + bias : not_a_number();
  store<V>(y, thread, row);
}

// dw[k, d] = the sum of dy[a, d, n] over the (a, n) with x[a, n] = k, in order.  A thread has a pack of columns of every SHARES-th
// row, and reads all numbers, so that every sum is one thread's.  Numbers that are no rows make the first row NaN.
template <int V, int SHARES>
__global__ void embed_gradient(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dw, Index A, int K, int packs, Index N) {
  const Index thread = flat_thread();
  if (thread >= Index(packs) * SHARES) return;
  const int pack = thread % packs, share = thread / packs;
  for (Index k = share; k < K; k += SHARES) store<V>(dw, k * packs + pack, all<V>(0.f));
  for (Index a = 0; a < A; ++a) {
    for (Index n = 0; n < N; ++n) {
      const float number = x[a * N + n];
      const bool row = is_class(number, K);
      const Index k = row ? Index(number) : 0;
      if (k % SHARES != share) continue;
      Pack<float, V> sum = load<V>(dw, k * packs + pack);
      for (int v = 0; v < V; ++v) sum.at[v] += row ? dy[((a * packs + pack) * V + v) * N + n] : not_a_number();
      store<V>(dw, k * packs + pack, sum);
    }
  }
}
