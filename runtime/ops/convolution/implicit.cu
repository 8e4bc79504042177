// Convolution as a matrix product whose factor of windows is never in memory: a block reads what its tile sees of the blob itself.
// Blobs are (C, H, W, N), so that a row of windows is a run of images: 4 neighbours of a row are 4 images at one position, and a
// warp's 128 columns are one position where N is a multiple of 128.
#include "common.cuh"
#include "product.cuh"

// n / divisor for n * divisor < 2 ** 32; magic = ceil(2 ** 32 / divisor), 0 for a divisor of 1.
__device__ inline unsigned divided(unsigned n, unsigned magic) { return magic ? __umulhi(n, magic) : n; }
__device__ inline unsigned magic_of(unsigned divisor) { return divisor > 1 ? 0xffffffffu / divisor + 1 : 0; }

// Which outputs, of which group (or split and group), and which of the other columns of the product a block makes.
struct BlockTile {
  int section, row0, column0;
};

// `block` hides from the compiler that it is the same twice: it would rather keep the result all the time than compute it again.
template <int BM> __device__ inline BlockTile tile_of(unsigned block, int row_tiles, int columns) {
  asm volatile("" : "+r"(block));
  const int tile = block / row_tiles, column_tiles = (columns - 1) / TILE_COLUMNS + 1;
  return {tile / column_tiles, int(block % row_tiles) * BM, tile % column_tiles * TILE_COLUMNS};
}

// One row of windows, (input channel, row, column of the window) of row k of the matrix.
struct Row {
  int c, i, j;
};

__device__ inline Row row_of(unsigned k, int window, int KW, unsigned by_window, unsigned by_kw) {
  const unsigned c = divided(k, by_window), inner = k - c * window, i = divided(inner, by_kw);
  return {int(c), int(i), int(inner - i * KW)};
}

// y (O, OH, OW, N) = w (O, C / groups, KH, KW) * x (C, H, W, N) + bias, then ReLU with a slope below zero, which leaves a NaN one.
// A block has BM outputs of a group at 128 columns; blocks of the same columns are neighbours.  `inputs`, `outputs`: of a group;
// whole: weights are taken in packs.
template <int MATH, int BM, class X = float, class Y = float>
__global__ void __launch_bounds__(TILE_THREADS, 2) conv_tiles(
    const X* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, Y* __restrict__ y, int inputs,
    int H, int W, int N, int OW, int columns, int outputs, int K, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW,
    unsigned by_window, unsigned by_kw, int row_tiles, int whole, int has_bias, int relu, float slope) {
  const BlockTile at = tile_of<BM>(blockIdx.x, row_tiles, columns);
  const int column = at.column0 + 4 * (threadIdx.x % 32), position = column / N;
  const int top = position / OW * SH - PH, left = position % OW * SW - PW;
  const unsigned packs = N / 4, images = unsigned(at.section * inputs) * H * W * packs + column % N / 4;
  const float* weights = w + (Index(at.section) * outputs + at.row0) * K;
  const int rows = outputs - at.row0;
  const bool any = column < columns;
  RowLoader<MATH, BM> a;
  WindowLoader<MATH, BM> b;
  Sums<MATH, BM> sums;
  product_of<MATH, BM>(
      0, K, sums, a, b, [&](int k0) { a.load_from(weights, K, rows, k0, K, whole); },
      [&](int k0) {
#pragma unroll
        for (int p = 0; p < WindowLoader<MATH, BM>::EACH; ++p) {
          const int k = k0 + threadIdx.x / 32 + 8 * p;
          const Row row = row_of(k, KH * KW, KW, by_window, by_kw);
          const int ih = top + row.i * DH, iw = left + row.j * DW;
          const bool inside = any && k < K && unsigned(ih) < unsigned(H) && unsigned(iw) < unsigned(W);
          b.held[p] = inside ? load<4>(x, images + (unsigned(row.c * H + ih) * W + iw) * packs) : all<4>(0.f);
        }
      });
  const BlockTile to = tile_of<BM>(blockIdx.x, row_tiles, columns);
  each_result<MATH, BM>(sums, [&](int row, int across, auto values) {
    constexpr int WIDTH = sizeof values / sizeof(float);
    if (to.row0 + row >= outputs || to.column0 + across >= columns) return;
    const int o = to.section * outputs + to.row0 + row;
    const float added = has_bias ? bias[o] : 0.f;
    for (int v = 0; v < WIDTH; ++v) {
      const float value = values.at[v] + added;
      values.at[v] = relu && value < 0 ? (slope == 0 ? 0.f : slope * value) : value;
    }
    store<WIDTH>(y + Index(o) * columns + to.column0 + across, 0, values);
  });
}

// DEPTH columns of the transpose of what WindowLoader has: rows of windows at some 4 images of a position, each row to a thread.
template <int MATH, int BM> struct TurnedLoader {
  static constexpr int DEPTH = depth_of(MATH), EACH = DEPTH / 8;
  Pack<float, 4> held[EACH];

  __device__ void store_to(Tile<MATH, BM>& tile) const {
#pragma unroll
    for (int p = 0; p < EACH; ++p) {
      for (int v = 0; v < 4; ++v) tile.b[4 * (threadIdx.x / TILE_COLUMNS + 2 * p) + v][threadIdx.x % TILE_COLUMNS] = held[p].at[v];
    }
  }
};

// partial (splits, O, C / groups * KH * KW): of dw = dy * x the sums over images and positions [split * share, (split + 1) * share).
// A block has BM outputs of a group and 128 weights of each, in a split.
template <int MATH, int BM, class X = float, class DY = float>
__global__ void __launch_bounds__(TILE_THREADS, 2) conv_weight_tiles(
    const X* __restrict__ x, const DY* __restrict__ dy, float* __restrict__ partial, int inputs, int H, int W, int N, int OW,
    int columns, int outputs, int K, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW, unsigned by_window,
    unsigned by_kw, unsigned by_n, unsigned by_ow, int row_tiles, int groups, int share) {
  const BlockTile at = tile_of<BM>(blockIdx.x, row_tiles, K);
  const int group = at.section % groups, rows = outputs - at.row0, weight = at.column0 + threadIdx.x % TILE_COLUMNS;
  const int begin = at.section / groups * share, end = min(begin + share, columns);
  const Row row = row_of(weight, KH * KW, KW, by_window, by_kw);
  const unsigned packs = N / 4, images = unsigned(group * inputs + row.c) * H * W * packs;
  const DY* gradients = dy + (Index(group) * outputs + at.row0) * columns;
  RowLoader<MATH, BM> a;
  TurnedLoader<MATH, BM> b;
  Sums<MATH, BM> sums;
  product_of<MATH, BM>(
      begin, end, sums, a, b, [&](int k0) { a.load_from(gradients, columns, rows, k0, end, true); },
      [&](int k0) {
#pragma unroll
        for (int p = 0; p < TurnedLoader<MATH, BM>::EACH; ++p) {
          const int k = k0 + 4 * (threadIdx.x / TILE_COLUMNS + 2 * p);
          const unsigned position = divided(k, by_n), oh = divided(position, by_ow);
          const int ih = int(oh) * SH - PH + row.i * DH, iw = int(position - oh * OW) * SW - PW + row.j * DW;
          const bool inside = weight < K && k < end && unsigned(ih) < unsigned(H) && unsigned(iw) < unsigned(W);
          b.held[p] = inside ? load<4>(x, images + (unsigned(ih) * W + iw) * packs + (k / 4 - position * packs)) : all<4>(0.f);
        }
      });
  const BlockTile to = tile_of<BM>(blockIdx.x, row_tiles, K);
  float* result = partial + (Index(to.section) * outputs + to.row0) * K + to.column0;
  each_result<MATH, BM>(sums, [&](int down, int across, auto values) {
    constexpr int WIDTH = sizeof values / sizeof(float);
    for (int v = 0; v < WIDTH; ++v) {
      if (to.row0 + down < outputs && to.column0 + across + v < K) result[Index(down) * K + across + v] = values.at[v];
    }
  });
}

// y = the sum of partial (splits, packs) over the splits, in order.
template <int V> __global__ void sum_splits(const float* __restrict__ partial, float* __restrict__ y, Index packs, int splits) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  store<V>(y, pack, sum_of_splits<V>(partial, pack, packs, splits));
}

// The elements of a window, along one axis, that meet inputs of one residue of the stride: first, first + apart, ...
struct Phase {
  int elements, first, apart, before;  // before: those of smaller residues
  int start, inputs;                   // start, start + stride, ...: so many inputs
  int output, by;                      // the output whose element `first` meets the input `start`; that of the next element is `by` less
};

__device__ inline Phase phase_of(int residue, int size, int kernel, int stride, int pad, int dilation) {
  Phase phase = {0, 0, 1, 0, 0, 0, 0, 0};
  for (int i = 0; i < kernel; ++i) {
    const int other = i * dilation % stride;
    if (other < residue) ++phase.before;
    if (other != residue) continue;
    if (phase.elements == 0) phase.first = i;
    if (phase.elements == 1) phase.apart = i - phase.first;
    ++phase.elements;
  }
  phase.start = ((residue - pad) % stride + stride) % stride;
  phase.inputs = phase.start < size ? (size - 1 - phase.start) / stride + 1 : 0;
  phase.output = (phase.start + pad - phase.first * dilation) / stride;
  phase.by = phase.apart * dilation / stride;
  return phase;
}

// Where the weights of a pair of phases begin: the pairs lie in order, `each` numbers for each element.
__device__ inline Index first_weight(const Phase& down, const Phase& across, int KW, int each) {
  return Index(down.before * KW + down.elements * across.before) * each;
}

// Weights (groups * M, per_group, KH, KW) as conv_input_tiles takes them: for each pair of phases (groups * per_group, M, elements).
__global__ void weights_by_phase(
    const float* __restrict__ w, float* __restrict__ sorted, int per_group, int M, int KH, int KW, int SH, int SW, int DH, int DW,
    int size) {
  const int thread = int(flat_thread());
  if (thread >= size) return;
  const int j = thread % KW, i = thread / KW % KH, c = thread / (KW * KH) % per_group, output = thread / (KW * KH * per_group);
  const Phase down = phase_of(i * DH % SH, 1, KH, SH, 0, DH), across = phase_of(j * DW % SW, 1, KW, SW, 0, DW);
  const Index row = Index(output / M * per_group + c) * M + output % M;
  const int element = (i - down.first) / down.apart * across.elements + (j - across.first) / across.apart;
  const int each = size / (KH * KW);
  sorted[first_weight(down, across, KW, each) + row * down.elements * across.elements + element] = w[thread];
}

// Which inputs, of which group and pair of phases, and which of the columns of that a block makes; `block` as for tile_of.
struct PhaseTile {
  int row0, column0, group, down, across;
};

template <int BM>
__device__ inline PhaseTile phase_tile_of(unsigned block, int row_tiles, int column_tiles, int groups, int SW) {
  asm volatile("" : "+r"(block));
  const int tile = block / row_tiles, section = tile / column_tiles, pair = section / groups;
  return {int(block % row_tiles) * BM, tile % column_tiles * TILE_COLUMNS, section % groups, pair / SW, pair % SW};
}

// dx (C, H, W, N) of y = w * x where windows move by more than 1: inputs of one residue of the strides meet the same elements of
// windows, and are a convolution of dy (O, OH, OW, N) with these.  A block has BM inputs of a group at 128 columns of such a phase.
template <int MATH, int BM, class DY = float, class DX = float>
__global__ void __launch_bounds__(TILE_THREADS, 2) conv_input_tiles(
    const DY* __restrict__ dy, const float* __restrict__ w, DX* __restrict__ dx, int inputs, int H, int W, int N, int OH,
    int OW, int outputs, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW, int row_tiles, int column_tiles, int groups,
    int whole) {
  const PhaseTile at = phase_tile_of<BM>(blockIdx.x, row_tiles, column_tiles, groups, SW);
  const Phase down = phase_of(at.down, H, KH, SH, PH, DH), across = phase_of(at.across, W, KW, SW, PW, DW);
  const int columns = down.inputs * across.inputs * N, column = at.column0 + 4 * (threadIdx.x % 32), rows = inputs - at.row0;
  const bool any = column < columns;
  const int position = any ? column / N : 0, row = any ? position / across.inputs : 0;
  const int bottom = down.output + row, right = across.output + (position - row * across.inputs);
  const unsigned packs = N / 4, images = unsigned(at.group * outputs) * OH * OW * packs + column % N / 4;
  const int window = down.elements * across.elements, K = at.column0 < columns ? outputs * window : 0;
  const unsigned by_window = magic_of(window), by_kw = magic_of(across.elements);
  const float* weights = w + first_weight(down, across, KW, groups * inputs * outputs) + Index(at.group * inputs + at.row0) * K;
  RowLoader<MATH, BM> a;
  WindowLoader<MATH, BM> b;
  Sums<MATH, BM> sums;
  product_of<MATH, BM>(
      0, K, sums, a, b, [&](int k0) { a.load_from(weights, K, rows, k0, K, whole); },
      [&](int k0) {
#pragma unroll
        for (int p = 0; p < WindowLoader<MATH, BM>::EACH; ++p) {
          const int k = k0 + threadIdx.x / 32 + 8 * p;
          const Row row = row_of(k, window, across.elements, by_window, by_kw);
          const int oh = bottom - row.i * down.by, ow = right - row.j * across.by;
          const bool inside = any && k < K && unsigned(oh) < unsigned(OH) && unsigned(ow) < unsigned(OW);
          b.held[p] = inside ? load<4>(dy, images + (unsigned(row.c * OH + oh) * OW + ow) * packs) : all<4>(0.f);
        }
      });
  const PhaseTile to = phase_tile_of<BM>(blockIdx.x, row_tiles, column_tiles, groups, SW);
  const Phase rows_to = phase_of(to.down, H, KH, SH, PH, DH), columns_to = phase_of(to.across, W, KW, SW, PW, DW);
  const int end = rows_to.inputs * columns_to.inputs * N;
  each_result<MATH, BM>(sums, [&](int below, int beside, auto values) {
    constexpr int WIDTH = sizeof values / sizeof(float);
    const int result = to.column0 + beside, position = result / N;
    if (to.row0 + below >= inputs || result >= end) return;
    const int h = rows_to.start + position / columns_to.inputs * SH, left = columns_to.start + position % columns_to.inputs * SW;
    store<WIDTH>(dx + ((Index(to.group * inputs + to.row0 + below) * H + h) * W + left) * N + result % N, 0, values);
  });
}
