// What a convolution does in addition to its matrix products.  Blobs are (C, H, W, N), matrices (C * KH * KW, positions * N): a column
// for every output position of some output rows, and every image.
#include "common.cuh"
#include "reduce.cuh"

// col = what the windows of the output rows from `row0` on see of x; 0 outside the image.  `positions`: of all those rows together.
template <int V, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW>
__global__ void im2col(
    const float* __restrict__ x, float* __restrict__ col, int C, int H, int W, int packs, int OW, int row0, int positions) {
  const unsigned thread = flat_thread(), columns = unsigned(positions) * packs;
  if (thread >= columns) return;
  const unsigned position = thread / packs, n = thread % packs;
  const int top = int(row0 + position / OW) * SH - PH, left = int(position % OW) * SW - PW;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Index image = Index(c) * H * W;
    Index at = Index(c) * KH * KW * columns + thread;
#pragma unroll 1
    for (int i = 0; i < KH; ++i) {
      const int ih = top + i * DH;
#pragma unroll (KW < 16 ? KW : 4)  // each copy takes registers
      for (int j = 0; j < KW; ++j, at += columns) {
        const int iw = left + j * DW;
        const bool inside = ih >= 0 && ih < H && iw >= 0 && iw < W;
        store<V>(col, at, inside ? load<V>(x, (image + Index(ih) * W + iw) * packs + n) : all<V>(0.f));
      }
    }
  }
}

// The transpose of im2col, for the output rows [first, last): dx's rows from `row0` on = the sum of the windows over each element,
// added to what is there in the rows before `fresh`, which windows of earlier output rows have reached.
template <int V, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW>
__global__ void col2im(
    const float* __restrict__ col, float* __restrict__ dx, int C, int H, int W, int packs, int OW, int first, int last, int row0,
    int fresh, int elements) {
  const unsigned thread = flat_thread();
  if (thread >= unsigned(elements) * packs) return;
  const unsigned element = thread / packs, n = thread % packs;
  const int ih = row0 + element / W, iw = element % W;
  const Index columns = Index(last - first) * OW * packs;
  // Without dilation every SH-th row of a window meets this element; with it, all are tried.
  constexpr int ROW_STEP = DH == 1 ? SH : 1, COLUMN_STEP = DW == 1 ? SW : 1;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Index target = ((Index(c) * H + ih) * W + iw) * packs + n;
    Pack<float, V> sum = ih < fresh ? load<V>(dx, target) : all<V>(0.f);
    for (int i = (ih + PH) % ROW_STEP; i < KH; i += ROW_STEP) {
      const int down = ih + PH - i * DH, oh = down / SH;
      if (down < 0 || down % SH != 0 || oh < first || oh >= last) continue;
      for (int j = (iw + PW) % COLUMN_STEP; j < KW; j += COLUMN_STEP) {
        const int across = iw + PW - j * DW, ow = across / SW;
        if (across < 0 || across % SW != 0 || ow >= OW) continue;
        const Index row = (Index(c) * KH + i) * KW + j;
        const Pack<float, V> part = load<V>(col, row * columns + (Index(oh - first) * OW + ow) * packs + n);
        for (int v = 0; v < V; ++v) sum.at[v] += part.at[v];
      }
    }
    store<V>(dx, target, sum);
  }
}

// y (rows, packs) += bias (O,), row r taking element r % O; then ReLU with a slope below zero, which leaves a NaN one.
template <int V, bool BIAS, bool RELU>
__global__ void bias_relu(const float* __restrict__ bias, float* __restrict__ y, int O, Index rows, int packs, float slope) {
  const int pack = blockIdx.x * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  for (Index row = Index(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += Index(gridDim.y) * blockDim.y) {
    const float b = BIAS ? bias[row % O] : 0.f;
    Pack<float, V> values = load<V>(y, row * packs + pack);
    for (int v = 0; v < V; ++v) {
      const float value = values.at[v] + b;
      values.at[v] = RELU && value < 0 ? (slope == 0 ? 0.f : slope * value) : value;
    }
    store<V>(y, row * packs + pack, values);
  }
}

// db (O,) = the sum of dy (A, O, packs) over the rest.  A block to each.
template <int V, int THREADS, class DY = float>
__global__ void bias_gradient(const DY* __restrict__ dy, float* __restrict__ db, int A, int O, Index packs) {
  const int o = blockIdx.x;
  double total = 0;
  for (int a = 0; a < A; ++a) {
    const Index start = (Index(a) * O + o) * packs;
#pragma unroll 4
    for (Index pack = threadIdx.x; pack < packs; pack += THREADS) {
      const Pack<float, V> part = load<V>(dy, start + pack);
      float sum = 0;
      for (int v = 0; v < V; ++v) sum += part.at[v];
      total += sum;
    }
  }
  total = block_sum<THREADS>(total);
  if (threadIdx.x == 0) db[o] = float(total);
}

// flipped (C, M, KH, KW) from w (groups * M, per_group, KH, KW): inputs and outputs of each group exchanged, window axes reversed.
template <int KH, int KW>
__global__ void flip_weights(const float* __restrict__ w, float* __restrict__ flipped, int per_group, int M, int size) {
  const int thread = int(flat_thread());
  if (thread >= size) return;
  const int j = thread % KW, i = thread / KW % KH, o = thread / (KW * KH) % M, c = thread / (KW * KH * M);
  const int output = c / per_group * M + o, input = c % per_group;
  flipped[thread] = w[((Index(output) * per_group + input) * KH + KH - 1 - i) * KW + KW - 1 - j];
}
