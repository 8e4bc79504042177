// Convolution whose groups have one input channel each and M outputs.  Blobs are (C, H, W, N), weights (C * M, 1, KH, KW).  A thread has
// a pack of images at one position; what lies outside the image counts as 0, as if it were copied from there.
#include "common.cuh"
#include "reduce.cuh"

// How often a loop of `count` turns is unrolled, each turn with `loads` of its own: beyond 16 together they would fill the registers.
__device__ constexpr int unrolled(int count, int loads) { return count * loads <= 16 ? count : 1; }

// x's pack at a row and column of an image, or zeros outside it.
template <int V, class X>
__device__ inline Pack<float, V> load_inside(const X* x, Index image, int row, int column, int H, int W, int packs, unsigned n) {
  const bool inside = row >= 0 && row < H && column >= 0 && column < W;
  return inside ? load<V>(x, (image + Index(row) * W + column) * packs + n) : all<V>(0.f);
}

// y = the windows of x times w, plus bias, then ReLU with a slope below zero, which leaves a NaN one.
template <int V, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW, bool BIAS, bool RELU, class X = float,
          class Y = float>
__global__ void depthwise_forward(
    const X* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, Y* __restrict__ y, int O, int M,
    int H, int W, int OW, int packs, int outputs, float slope) {
  const unsigned pack = unsigned(flat_thread());
  if (pack >= unsigned(outputs)) return;
  const unsigned position = pack / packs, n = pack % packs;
  const int top = int(position / OW) * SH - PH, left = int(position % OW) * SW - PW;
  for (int o = blockIdx.y * blockDim.y + threadIdx.y; o < O; o += gridDim.y * blockDim.y) {
    const Index image = Index(o / M) * H * W;
    Pack<float, V> sum = all<V>(BIAS ? bias[o] : 0.f);
#pragma unroll unrolled(KH, KW)
    for (int i = 0; i < KH; ++i) {
#pragma unroll unrolled(KW, 1)
      for (int j = 0; j < KW; ++j) {
        const float weight = w[(Index(o) * KH + i) * KW + j];
        const Pack<float, V> value = load_inside<V>(x, image, top + i * DH, left + j * DW, H, W, packs, n);
        for (int v = 0; v < V; ++v) sum.at[v] += weight * value.at[v];
      }
    }
    if (RELU) {
      for (int v = 0; v < V; ++v) sum.at[v] = sum.at[v] < 0 ? (slope == 0 ? 0.f : slope * sum.at[v]) : sum.at[v];
    }
    store<V>(y, Index(o) * outputs + pack, sum);
  }
}

// dx = the sum of what the windows over each element give, of a channel's M outputs.
template <int V, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW, class DY = float, class DX = float>
__global__ void depthwise_input_gradient(
    const DY* __restrict__ dy, const float* __restrict__ w, DX* __restrict__ dx, int C, int M, int W, int OH, int OW, int packs,
    int inputs) {
  const unsigned pack = unsigned(flat_thread());
  if (pack >= unsigned(inputs)) return;
  const unsigned element = pack / packs, n = pack % packs;
  const int bottom = int(element / W) + PH, right = int(element % W) + PW;
  // Without dilation every SH-th row of a window meets this element; with it, all are tried.
  constexpr int ROW_STEP = DH == 1 ? SH : 1, COLUMN_STEP = DW == 1 ? SW : 1;
  for (int c = blockIdx.y * blockDim.y + threadIdx.y; c < C; c += gridDim.y * blockDim.y) {
    Pack<float, V> sum = all<V>(0.f);
    for (int o = c * M; o < (c + 1) * M; ++o) {
      for (int i = bottom % ROW_STEP; i < KH; i += ROW_STEP) {
        const int down = bottom - i * DH, oh = down / SH;
        if (down < 0 || down % SH != 0 || oh >= OH) continue;
        for (int j = right % COLUMN_STEP; j < KW; j += COLUMN_STEP) {
          const int across = right - j * DW, ow = across / SW;
          if (across < 0 || across % SW != 0 || ow >= OW) continue;
          const float weight = w[(Index(o) * KH + i) * KW + j];
          const Pack<float, V> part = load<V>(dy, ((Index(o) * OH + oh) * OW + ow) * packs + n);
          for (int v = 0; v < V; ++v) sum.at[v] += weight * part.at[v];
        }
      }
    }
    store<V>(dx, Index(c) * inputs + pack, sum);
  }
}

// terms (O * KH, runs, KW) = what a run of dy's packs gives of the gradients of one row of weights.  A block to each: THREADS threads of
// TURNS packs, each of which adds its products up as float32.
template <int V, int THREADS, int TURNS, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW, class X = float,
          class DY = float>
__global__ void depthwise_weight_terms(
    const X* __restrict__ x, const DY* __restrict__ dy, double* __restrict__ terms, int rows, int M, int H, int W, int OW,
    int packs, int outputs) {
  for (int row = blockIdx.y; row < rows; row += gridDim.y) {
    const int o = row / KH, down = row % KH * DH - PH;
    const Index image = Index(o / M) * H * W;
    float sums[KW] = {};
#pragma unroll 1
    for (int turn = 0; turn < TURNS; ++turn) {
      const unsigned at = (blockIdx.x * TURNS + turn) * THREADS + threadIdx.x;
      if (at >= unsigned(outputs)) break;
      const unsigned position = at / packs, n = at % packs;
      const int ih = int(position / OW) * SH + down, left = int(position % OW) * SW - PW;
      const Pack<float, V> gradient = load<V>(dy, Index(o) * outputs + at);
#pragma unroll
      for (int j = 0; j < KW; ++j) {
        const Pack<float, V> value = load_inside<V>(x, image, ih, left + j * DW, H, W, packs, n);
        for (int v = 0; v < V; ++v) sums[j] += gradient.at[v] * value.at[v];
      }
    }
#pragma unroll
    for (int j = 0; j < KW; ++j) {
      const double sum = block_sum<THREADS>(double(sums[j]));
      if (threadIdx.x == 0) terms[(Index(row) * gridDim.x + blockIdx.x) * KW + j] = sum;
    }
  }
}

// dw (rows, KW) = the sum of terms (rows, runs, KW) over the runs, in order.
template <int KW>
__global__ void depthwise_weight_sums(const double* __restrict__ terms, float* __restrict__ dw, int runs, int size) {
  const int thread = int(flat_thread());
  if (thread >= size) return;
  double sum = 0;
  for (int run = 0; run < runs; ++run) sum += terms[(Index(thread / KW) * runs + run) * KW + thread % KW];
  dw[thread] = float(sum);
}
