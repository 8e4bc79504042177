// The products of a fully connected layer with a matrix of weights, in tiles: a block has BM rows of a result at 128 images.
#include "common.cuh"
#include "product.cuh"

// y (A, M, N) = w (M, K) . x (A, K, N), w stored as (K, M) where it is TURNED; then bias (M,), and ReLU with a slope below zero.
// With several splits y is (splits, A, M, N), of each the sum over [split * share, (split + 1) * share), and neither is done.
// Blocks of the same rows of x are neighbours.  whole: weights are taken in packs.
template <int MATH, int BM, bool TURNED, class X = float, class Y = float>
__global__ void __launch_bounds__(TILE_THREADS, 2) product_tiles(
    const X* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, Y* __restrict__ y, int A, int M, int N,
    int K, int row_tiles, int column_tiles, int share, int whole, int has_bias, int relu, float slope) {
  const int row0 = int(blockIdx.x) % row_tiles * BM, tile = blockIdx.x / row_tiles, section = tile / column_tiles;
  const int column0 = tile % column_tiles * TILE_COLUMNS, column = column0 + 4 * (threadIdx.x % 32), rows = M - row0;
  const int begin = section / A * share, end = min(begin + share, K);
  const X* images = x + Index(section % A) * K * N + column;
  typename WeightLoader<MATH, BM, TURNED>::Type a;
  WindowLoader<MATH, BM> b;
  Sums<MATH, BM> sums;
  product_of<MATH, BM>(
      begin, end, sums, a, b,
      [&](int k0) {
        if constexpr (TURNED) a.load_from(w + row0, M, rows, k0, end, whole);
        else a.load_from(w + Index(row0) * K, K, rows, k0, end, whole);
      },
      [&](int k0) {
#pragma unroll
        for (int p = 0; p < WindowLoader<MATH, BM>::EACH; ++p) {
          const int k = k0 + threadIdx.x / 32 + 8 * p;
          b.held[p] = k < end && column < N ? load<4>(images + Index(k) * N, 0) : all<4>(0.f);
        }
      });
  Y* result = y + (Index(section) * M + row0) * N + column0;
  each_result<MATH, BM>(sums, [&](int row, int across, auto values) {
    constexpr int WIDTH = sizeof values / sizeof(float);
    if (row >= rows || column0 + across >= N) return;
    const float added = has_bias ? bias[row0 + row] : 0.f;
    for (int v = 0; v < WIDTH; ++v) {
      const float value = values.at[v] + added;
      values.at[v] = relu && value < 0 ? (slope == 0 ? 0.f : slope * value) : value;
    }
    store<WIDTH>(result + Index(row) * N + across, 0, values);
  });
}

// y (A, M, N) = the sum of partial (splits, A, M, N) over the splits, in order, with bias and ReLU as above; `row` packs of N.
template <int V, class Y = float>
__global__ void sum_products(
    const float* __restrict__ partial, const float* __restrict__ bias, Y* __restrict__ y, Index packs, int splits, int M, int row,
    int has_bias, int relu, float slope) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  Pack<float, V> sum = sum_of_splits<V>(partial, pack, packs, splits);
  const float added = has_bias ? bias[pack / row % M] : 0.f;
  for (int v = 0; v < V; ++v) {
    const float value = sum.at[v] + added;
    sum.at[v] = relu && value < 0 ? (slope == 0 ? 0.f : slope * value) : value;
  }
  store<V>(y, pack, sum);
}
