// A tile of a matrix product: a block of 256 threads makes C (BM, 128) += A (BM, K) . B (K, 128) from shared memory, DEPTH of K at a
// time.  Loaders bring what a tile needs to registers while the tile before it is multiplied.
//
//     fp32     multiply-adds of the CUDA cores; a thread has BM / 16 rows of 8 columns
//     tf32     tensor cores, factors rounded to 10 bits
//     3xtf32   each factor as the sum of two such numbers: three products (NVIDIA, CUTLASS example 28); they are added up by the CUDA
//              cores, as tensor cores cut sums instead of rounding them (Ootomo and Yokota 2022): fp32's accuracy
//     bf16     tensor cores, factors rounded to 7 bits
// Sums are float32 in all.  A warp has BM / 2 rows of 32 columns on tensor cores.
#include "mma.cuh"

constexpr int FP32 = 0, TF32 = 1, TF32X3 = 2, BF16 = 3;
constexpr int TILE_COLUMNS = 128, TILE_THREADS = 256;
constexpr float LARGEST_TF32 = 0x1.ffcp127f;

__device__ constexpr int depth_of(int math) { return math == TF32 || math == BF16 ? 16 : 8; }

// Rows are padded so that the lanes of a warp read from different banks.
template <int MATH, int BM> struct alignas(16) Tile {
  static constexpr int DEPTH = depth_of(MATH);
  float a[BM][DEPTH + 4];
  float b[DEPTH][TILE_COLUMNS + 8];
};

// What a thread holds of C.
template <int MATH, int BM> struct Sums {
  static constexpr int ROWS = MATH == FP32 ? BM / 16 : BM / 32, COLUMNS = MATH == FP32 ? 2 : 4;
  float at[ROWS][COLUMNS][4];

  __device__ void clear() {
    for (int i = 0; i < ROWS; ++i) {
      for (int j = 0; j < COLUMNS; ++j) {
        for (int v = 0; v < 4; ++v) at[i][j][v] = 0;
      }
    }
  }
};

template <int BM> __device__ inline void multiply(const Tile<FP32, BM>& tile, Sums<FP32, BM>& sums) {
  constexpr int AT_ONCE = BM == 128 ? 1 : 2;  // columns of A, as many as registers hold
  const int across = 4 * (threadIdx.x % 16), down = threadIdx.x / 16;
#pragma unroll (BM == 128 ? 2 : 8)  // with more of them the registers would not do
  for (int k = 0; k < Tile<FP32, BM>::DEPTH; k += AT_ONCE) {
    Pack<float, AT_ONCE> a[BM / 16];
#pragma unroll
    for (int i = 0; i < BM / 16; ++i) a[i] = load<AT_ONCE>(&tile.a[down + 16 * i][k], 0);
#pragma unroll
    for (int l = 0; l < AT_ONCE; ++l) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const Pack<float, 4> b = load<4>(&tile.b[k + l][across + 64 * j], 0);
#pragma unroll
        for (int i = 0; i < BM / 16; ++i) {
          for (int v = 0; v < 4; ++v) sums.at[i][j][v] += a[i].at[l] * b.at[v];
        }
      }
    }
  }
}

// Where a lane of a warp has its numbers.
struct Lane {
  int g, q, row, column;
};

template <int BM> __device__ inline Lane lane_of() {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  return {lane / 4, lane % 4, warp / 4 * (BM / 2), warp % 4 * 32};
}

// A number as the sum of two that tensor cores take.  The first is finite, so that an infinite number times zero is no part of a sum
// unless it is one of fp32's; infinity is in the second.
__device__ inline void split(float value, unsigned& big, unsigned& small) {
  big = to_tf32(fminf(fmaxf(value, -LARGEST_TF32), LARGEST_TF32));
  small = to_tf32(value - __uint_as_float(big));
}

template <int BM> __device__ inline void multiply(const Tile<TF32, BM>& tile, Sums<TF32, BM>& sums) {
  const Lane at = lane_of<BM>();
#pragma unroll
  for (int k = 0; k < Tile<TF32, BM>::DEPTH; k += 8) {
    unsigned b[4][2];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      for (int h = 0; h < 2; ++h) b[j][h] = to_tf32(tile.b[k + at.q + 4 * h][at.column + 8 * j + at.g]);
    }
#pragma unroll
    for (int i = 0; i < BM / 32; ++i) {
      unsigned a[4];
      for (int h = 0; h < 4; ++h) a[h] = to_tf32(tile.a[at.row + 16 * i + at.g + h % 2 * 8][k + at.q + h / 2 * 4]);
#pragma unroll
      for (int j = 0; j < 4; ++j) mma_tf32(sums.at[i][j], a, b[j]);
    }
  }
}

template <int BM> __device__ inline void multiply(const Tile<TF32X3, BM>& tile, Sums<TF32X3, BM>& sums) {
  const Lane at = lane_of<BM>();
  unsigned b[4][2], b_small[4][2];
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    for (int h = 0; h < 2; ++h) split(tile.b[at.q + 4 * h][at.column + 8 * j + at.g], b[j][h], b_small[j][h]);
  }
#pragma unroll
  for (int i = 0; i < BM / 32; ++i) {
    unsigned a[4], a_small[4];
    for (int h = 0; h < 4; ++h) split(tile.a[at.row + 16 * i + at.g + h % 2 * 8][at.q + h / 2 * 4], a[h], a_small[h]);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float product[4] = {0, 0, 0, 0};
      mma_tf32(product, a_small, b[j]);
      mma_tf32(product, a, b_small[j]);
      mma_tf32(product, a, b[j]);
      for (int v = 0; v < 4; ++v) sums.at[i][j][v] += product[v];
    }
  }
}

template <int BM> __device__ inline void multiply(const Tile<BF16, BM>& tile, Sums<BF16, BM>& sums) {
  const Lane at = lane_of<BM>();
  unsigned b[4][2];
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int column = at.column + 8 * j + at.g;
    for (int h = 0; h < 2; ++h) b[j][h] = to_bf16(tile.b[2 * at.q + 8 * h][column], tile.b[2 * at.q + 8 * h + 1][column]);
  }
#pragma unroll
  for (int i = 0; i < BM / 32; ++i) {
    unsigned a[4];
    for (int h = 0; h < 4; ++h) {
      const Pack<float, 2> pair = load<2>(&tile.a[at.row + 16 * i + at.g + h % 2 * 8][2 * at.q + h / 2 * 8], 0);
      a[h] = to_bf16(pair.at[0], pair.at[1]);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) mma_bf16(sums.at[i][j], a, b[j]);
  }
}

// Calls f(row, column, numbers) for all that a thread holds of C: 4 neighbours of a row, or 2 of tensor cores.
template <int MATH, int BM, class F> __device__ inline void each_result(const Sums<MATH, BM>& sums, F f) {
#pragma unroll
  for (int i = 0; i < Sums<MATH, BM>::ROWS; ++i) {
#pragma unroll
    for (int j = 0; j < Sums<MATH, BM>::COLUMNS; ++j) {
      const float* at = sums.at[i][j];
      if constexpr (MATH == FP32) {
        f(threadIdx.x / 16 + 16 * i, 4 * (threadIdx.x % 16) + 64 * j, Pack<float, 4>{{at[0], at[1], at[2], at[3]}});
      } else {
        const Lane lane = lane_of<BM>();
        const int row = lane.row + 16 * i + lane.g, column = lane.column + 8 * j + 2 * lane.q;
        f(row, column, Pack<float, 2>{{at[0], at[1]}});
        f(row + 8, column, Pack<float, 2>{{at[2], at[3]}});
      }
    }
  }
}

// DEPTH columns of A from row-major numbers, k neighbours in memory: rows [0, rows) of `leading` numbers, columns below `end`.
template <int MATH, int BM> struct RowLoader {
  static constexpr int DEPTH = depth_of(MATH), PACKS = BM * DEPTH / 4, EACH = (PACKS + TILE_THREADS - 1) / TILE_THREADS;
  Pack<float, 4> held[EACH];

  // whole: all rows start where packs of 4 may, and `end` is a multiple of 4.
  template <class T>
  __device__ void load_from(const T* from, Index leading, int rows, int k0, int end, bool whole) {
#pragma unroll
    for (int p = 0; p < EACH; ++p) {
      const int pack = threadIdx.x + TILE_THREADS * p, row = pack / (DEPTH / 4), k = k0 + 4 * (pack % (DEPTH / 4));
      const T* at = from + row * leading + k;
      const bool inside = row < rows && k < end;
      held[p] = all<4>(0.f);
      if (inside && whole) held[p] = load<4>(at, 0);
      if (inside && !whole) {
        for (int v = 0; v < 4; ++v) held[p].at[v] = k + v < end ? widened(at[v]) : 0.f;
      }
    }
  }

  __device__ void store_to(Tile<MATH, BM>& tile) const {
#pragma unroll
    for (int p = 0; p < EACH; ++p) {
      const int pack = threadIdx.x + TILE_THREADS * p;
      if (PACKS % TILE_THREADS == 0 || pack < PACKS) store<4>(&tile.a[pack / (DEPTH / 4)][4 * (pack % (DEPTH / 4))], 0, held[p]);
    }
  }
};

// The same from the transpose: neighbours in memory are rows, and k's are `leading` numbers apart.
template <int MATH, int BM> struct ColumnLoader {
  static constexpr int DEPTH = depth_of(MATH), PACKS = BM * DEPTH / 4, EACH = (PACKS + TILE_THREADS - 1) / TILE_THREADS;
  Pack<float, 4> held[EACH];

  // whole: `leading` is a multiple of 4, and the first row of the tile a multiple of 4 too.
  template <class T> __device__ void load_from(const T* from, Index leading, int rows, int k0, int end, bool whole) {
#pragma unroll
    for (int p = 0; p < EACH; ++p) {
      const int pack = threadIdx.x + TILE_THREADS * p, row = 4 * (pack / DEPTH), k = k0 + pack % DEPTH;
      const T* at = from + k * leading + row;
      const bool inside = row < rows && k < end && (PACKS % TILE_THREADS == 0 || pack < PACKS);
      held[p] = all<4>(0.f);
      if (inside && whole) held[p] = load<4>(at, 0);
      if (inside && !whole) {
        for (int v = 0; v < 4; ++v) held[p].at[v] = row + v < rows ? widened(at[v]) : 0.f;
      }
    }
  }

  __device__ void store_to(Tile<MATH, BM>& tile) const {
#pragma unroll
    for (int p = 0; p < EACH; ++p) {
      const int pack = threadIdx.x + TILE_THREADS * p;
      if (PACKS % TILE_THREADS != 0 && pack >= PACKS) continue;
      for (int v = 0; v < 4; ++v) tile.a[4 * (pack / DEPTH) + v][pack % DEPTH] = held[p].at[v];
    }
  }
};

template <int MATH, int BM, bool TURNED> struct WeightLoader { typedef RowLoader<MATH, BM> Type; };
template <int MATH, int BM> struct WeightLoader<MATH, BM, true> { typedef ColumnLoader<MATH, BM> Type; };

// DEPTH rows of B at 128 columns, 4 neighbours to a thread; who uses it loads them: windows, or images.
template <int MATH, int BM> struct WindowLoader {
  static constexpr int DEPTH = depth_of(MATH), EACH = DEPTH / 8;
  Pack<float, 4> held[EACH];

  __device__ void store_to(Tile<MATH, BM>& tile) const {
#pragma unroll
    for (int p = 0; p < EACH; ++p) store<4>(&tile.b[threadIdx.x / 32 + 8 * p][4 * (threadIdx.x % 32)], 0, held[p]);
  }
};

// C of all k in [begin, end): a.load_from(k) and b.load_from(k) bring the next DEPTH columns of A and rows of B, zero beyond the end.
template <int MATH, int BM, class LoadA, class LoadB, class A, class B>
__device__ inline void product_of(int begin, int end, Sums<MATH, BM>& sums, A& a, B& b, LoadA load_a, LoadB load_b) {
  __shared__ Tile<MATH, BM> tiles[2];
  sums.clear();
  load_a(begin);
  load_b(begin);
  int turn = 0;
  int k = begin;
  do {  // once where there is nothing to add: all blocks reach the barrier
    a.store_to(tiles[turn]);
    b.store_to(tiles[turn]);
    __syncthreads();
    if (k + depth_of(MATH) < end) {
      load_a(k + depth_of(MATH));
      load_b(k + depth_of(MATH));
    }
    multiply(tiles[turn], sums);
    turn ^= 1;
    k += depth_of(MATH);
  } while (k < end);
}

// A pack of the sum of partial (splits, packs) over the splits, in order.
template <int V>
__device__ inline Pack<float, V> sum_of_splits(const float* __restrict__ partial, Index pack, Index packs, int splits) {
  Pack<float, V> sum = load<V>(partial, pack);
#pragma unroll 4
  for (int split = 1; split < splits; ++split) {
    const Pack<float, V> next = load<V>(partial, split * packs + pack);
    for (int v = 0; v < V; ++v) sum.at[v] += next.at[v];
  }
  return sum;
}
