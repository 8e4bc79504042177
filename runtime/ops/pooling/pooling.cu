// Pooling by windows of blobs (C, H, W, N).  A window is cut where it leaves the image; the mean divides by the size of the window
// cut to the padded image.  The maximum remembers where in its window it was found (row * KW + column), of equals the first.
// Backward gathers: every input element adds up what the windows over it give, in order.
// A thread may take ROWS neighbouring rows at once: what several of them see is loaded once.
#include "common.cuh"
#include "masked.cuh"
#include "philox.cuh"

constexpr float LOWEST = -3.402823466e38f;  // Caffe's maximum of nothing

// Windows over one position, along an axis.
__device__ constexpr int most(int kernel, int stride) { return (kernel + stride - 1) / stride; }

// How often a loop of `count` turns is unrolled, each turn with `loads` of its own: beyond 16 together they would fill the registers.
__device__ constexpr int unrolled(int count, int loads) { return count * loads <= 16 ? count : 1; }

// The first window over a position of the padded image.
template <int K, int S> __device__ inline int first_window(int position) { return position < K ? 0 : (position - K) / S + 1; }

// 1 / the length of a window along one axis, cut to the padded image; 0 if it starts beyond that.
template <int K, int S, int P> __device__ inline float reciprocal(int window, int size) {
  const int start = window * S - P, length = min(start + K, size + P) - start;
  return length > 0 ? 1.f / length : 0.f;
}

// This thread's output or input element, the first of its ROWS: its row, column and pack of images.
struct Position {
  int row, column;
  unsigned n;
};

__device__ inline Position position_of(unsigned thread, int width, int packs) {
  const unsigned element = thread / packs;
  return {int(element / width), int(element % width), thread % packs};
}

// Calls f(row, column, number in the window) for each element of an output's window that lies in the image, in order.
template <int KH, int KW, class F> __device__ inline void each_element(int top, int left, int H, int W, F f) {
#pragma unroll unrolled(KH, KW)
  for (int i = 0; i < KH; ++i) {
#pragma unroll unrolled(KW, 1)
    for (int j = 0; j < KW; ++j) {
      if (top + i >= 0 && top + i < H && left + j >= 0 && left + j < W) f(top + i, left + j, i * KW + j);
    }
  }
}

template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW, int ROWS, class X = float, class Y = float>
__global__ void pool_max_forward(
    const X* __restrict__ x, Y* __restrict__ y, Where* __restrict__ argmax, int C, int H, int W, int OH, int OW, int packs) {
  constexpr int DEPTH = KH + (ROWS - 1) * SH;  // rows that the windows see together
  const unsigned thread = flat_thread(), threads = unsigned((OH + ROWS - 1) / ROWS) * OW * packs;
  if (thread >= threads) return;
  Position out = position_of(thread, OW, packs);
  out.row *= ROWS;
  const int top = out.row * SH - PH, left = out.column * SW - PW, column0 = max(left, 0);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Index image = Index(c) * H * W;
    Pack<float, V> best[ROWS];
    Pack<Where, V> where[ROWS];
    for (int r = 0; r < ROWS; ++r) {
      best[r] = all<V>(LOWEST);
      where[r] = all<V>(Where(0));
    }
#pragma unroll unrolled(DEPTH, KW)
    for (int i = 0; i < DEPTH; ++i) {
      if (i % SH >= KH) continue;  // between two windows
#pragma unroll unrolled(KW, 1)
      for (int j = 0; j < KW; ++j) {
        const int ih = top + i, iw = left + j;
        if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
        const Pack<float, V> value = load<V>(x, (image + Index(ih) * W + iw) * packs + out.n);
        for (int r = 0; r < ROWS; ++r) {
          if (i < r * SH || i >= r * SH + KH) continue;
          const bool first = ih == max(top + r * SH, 0) && iw == column0;  // which a NaN among the others does not replace
          for (int v = 0; v < V; ++v) {
            const bool better = first || value.at[v] > best[r].at[v];
            best[r].at[v] = better ? value.at[v] : best[r].at[v];
            where[r].at[v] = better ? Where((i - r * SH) * KW + j) : where[r].at[v];
          }
        }
      }
    }
    for (int r = 0; r < ROWS; ++r) {
      if (out.row + r >= OH) continue;
      const Index at = ((Index(c) * OH + out.row + r) * OW + out.column) * packs + out.n;
      store<V>(y, at, best[r]);
      store<V>(argmax, at, where[r]);
    }
  }
}

// AFTER, y, partial and slope: see masked.cuh; y (C, H, W, packs) is what the ReLU made.
template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW, int ROWS, int AFTER, class DY, class Y, class DX>
__device__ inline void pool_max_backward_of(
    const DY* __restrict__ dy, const Where* __restrict__ argmax, const Y* __restrict__ y, DX* __restrict__ dx,
    float* __restrict__ partial, int C, int H, int W, int OH, int OW, int packs, float slope) {
  const unsigned thread = flat_thread(), threads = unsigned((H + ROWS - 1) / ROWS) * W * packs;
  const bool any = thread < threads;  // the lanes of a warp sum together, with or without
  if (AFTER != MASKED_AND_SUMMED && !any) return;
  Position in = position_of(any ? thread : 0, W, packs);
  in.row *= ROWS;
  const int oh0 = first_window<KH, SH>(in.row + PH), ow0 = first_window<KW, SW>(in.column + PW);
  const int oh1 = min((in.row + ROWS - 1 + PH) / SH + 1, OH), ow1 = min((in.column + PW) / SW + 1, OW);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum[ROWS], total = all<V>(0.f);
    for (int r = 0; r < ROWS; ++r) sum[r] = all<V>(0.f);
#pragma unroll unrolled(most(KH + ROWS - 1, SH), most(KW, SW))
    for (int a = 0; a < most(KH + ROWS - 1, SH); ++a) {
#pragma unroll unrolled(most(KW, SW), 1)
      for (int b = 0; b < most(KW, SW); ++b) {
        const int oh = oh0 + a, ow = ow0 + b;
        if (oh >= oh1 || ow >= ow1) continue;
        const int here = (in.row + PH - oh * SH) * KW + in.column + PW - ow * SW;
        const Index at = ((Index(c) * OH + oh) * OW + ow) * packs + in.n;
        const Pack<float, V> gradient = load<V>(dy, at);
        const Pack<Where, V> where = load<V>(argmax, at);
        for (int r = 0; r < ROWS; ++r) {  // a row that the window does not see has a number that is none of its elements'
          for (int v = 0; v < V; ++v) sum[r].at[v] += where.at[v] == here + r * KW ? gradient.at[v] : 0.f;
        }
      }
    }
    for (int r = 0; r < ROWS; ++r) {
      if (in.row + r >= H || !any) continue;
      const Index at = ((Index(c) * H + in.row + r) * W + in.column) * packs + in.n;
      if (AFTER != AS_IT_IS) mask<V>(sum[r], load<V>(y, at), slope);
      store<V>(dx, at, sum[r]);
      for (int v = 0; v < V; ++v) total.at[v] += sum[r].at[v];
    }
    if (AFTER == MASKED_AND_SUMMED) put_sum<V>(partial, c, total, any);
  }
}

template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW, int ROWS, class DY = float, class DX = float>
__global__ void pool_max_backward(
    const DY* __restrict__ dy, const Where* __restrict__ argmax, DX* __restrict__ dx, int C, int H, int W, int OH, int OW,
    int packs) {
  pool_max_backward_of<V, Where, KH, KW, SH, SW, PH, PW, ROWS, AS_IT_IS>(
      dy, argmax, static_cast<const float*>(nullptr), dx, nullptr, C, H, W, OH, OW, packs, 0.f);
}

template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW, int ROWS, class DY = float, class Y = float,
          class DX = float>
__global__ void pool_max_backward_relu(
    const DY* __restrict__ dy, const Where* __restrict__ argmax, const Y* __restrict__ y, DX* __restrict__ dx, int C, int H,
    int W, int OH, int OW, int packs, float slope) {
  pool_max_backward_of<V, Where, KH, KW, SH, SW, PH, PW, ROWS, MASKED>(
      dy, argmax, y, dx, nullptr, C, H, W, OH, OW, packs, slope);
}

template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW, int ROWS, class DY = float, class Y = float,
          class DX = float>
__global__ void pool_max_backward_relu_bias(
    const DY* __restrict__ dy, const Where* __restrict__ argmax, const Y* __restrict__ y, DX* __restrict__ dx,
    float* __restrict__ partial, int C, int H, int W, int OH, int OW, int packs, float slope) {
  pool_max_backward_of<V, Where, KH, KW, SH, SW, PH, PW, ROWS, MASKED_AND_SUMMED>(
      dy, argmax, y, dx, partial, C, H, W, OH, OW, packs, slope);
}

// positions = row * width + column, in the whole channel, of each maximum; -1 of no element at all.
template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW>
__global__ void pool_positions(
    const Where* __restrict__ argmax, float* __restrict__ positions, int C, int OH, int OW, int packs, int height, int width) {
  const unsigned thread = flat_thread(), outputs = unsigned(OH) * OW * packs;
  if (thread >= outputs) return;
  const Position out = position_of(thread, OW, packs);
  const int top = out.row * SH - PH, left = out.column * SW - PW, start = top * width + left;
  const bool empty = top >= height || left >= width;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Pack<Where, V> where = load<V>(argmax, Index(c) * outputs + thread);
    Pack<float, V> at;
    for (int v = 0; v < V; ++v) at.at[v] = empty ? -1.f : float(start + where.at[v] / KW * width + where.at[v] % KW);
    store<V>(positions, Index(c) * outputs + thread, at);
  }
}

template <int V, int KH, int KW, int SH, int SW, int PH, int PW, int ROWS, class X = float, class Y = float>
__global__ void pool_ave_forward(
    const X* __restrict__ x, Y* __restrict__ y, int C, int H, int W, int OH, int OW, int packs) {
  constexpr int DEPTH = KH + (ROWS - 1) * SH;  // rows that the windows see together
  const unsigned thread = flat_thread(), threads = unsigned((OH + ROWS - 1) / ROWS) * OW * packs;
  if (thread >= threads) return;
  Position out = position_of(thread, OW, packs);
  out.row *= ROWS;
  const int top = out.row * SH - PH, left = out.column * SW - PW;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum[ROWS];
    for (int r = 0; r < ROWS; ++r) sum[r] = all<V>(0.f);
#pragma unroll unrolled(DEPTH, KW)
    for (int i = 0; i < DEPTH; ++i) {
      if (i % SH >= KH) continue;  // between two windows
#pragma unroll unrolled(KW, 1)
      for (int j = 0; j < KW; ++j) {
        const int ih = top + i, iw = left + j;
        if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
        const Pack<float, V> value = load<V>(x, ((Index(c) * H + ih) * W + iw) * packs + out.n);
        for (int r = 0; r < ROWS; ++r) {
          if (i < r * SH || i >= r * SH + KH) continue;
          for (int v = 0; v < V; ++v) sum[r].at[v] += value.at[v];
        }
      }
    }
    for (int r = 0; r < ROWS; ++r) {
      if (out.row + r >= OH) continue;
      const float factor = reciprocal<KH, SH, PH>(out.row + r, H) * reciprocal<KW, SW, PW>(out.column, W);
      for (int v = 0; v < V; ++v) sum[r].at[v] *= factor;
      store<V>(y, ((Index(c) * OH + out.row + r) * OW + out.column) * packs + out.n, sum[r]);
    }
  }
}

template <int V, int KH, int KW, int SH, int SW, int PH, int PW, int ROWS, class DY = float, class DX = float>
__global__ void pool_ave_backward(
    const DY* __restrict__ dy, DX* __restrict__ dx, int C, int H, int W, int OH, int OW, int packs) {
  const unsigned thread = flat_thread(), threads = unsigned((H + ROWS - 1) / ROWS) * W * packs;
  if (thread >= threads) return;
  Position in = position_of(thread, W, packs);
  in.row *= ROWS;
  const int oh0 = first_window<KH, SH>(in.row + PH), ow0 = first_window<KW, SW>(in.column + PW);
  const int oh1 = min((in.row + ROWS - 1 + PH) / SH + 1, OH), ow1 = min((in.column + PW) / SW + 1, OW);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum[ROWS];
    for (int r = 0; r < ROWS; ++r) sum[r] = all<V>(0.f);
#pragma unroll unrolled(most(KH + ROWS - 1, SH), most(KW, SW))
    for (int a = 0; a < most(KH + ROWS - 1, SH); ++a) {
#pragma unroll unrolled(most(KW, SW), 1)
      for (int b = 0; b < most(KW, SW); ++b) {
        const int oh = oh0 + a, ow = ow0 + b;
        if (oh >= oh1 || ow >= ow1) continue;
        const float factor = reciprocal<KH, SH, PH>(oh, H) * reciprocal<KW, SW, PW>(ow, W);
        const Pack<float, V> gradient = load<V>(dy, ((Index(c) * OH + oh) * OW + ow) * packs + in.n);
        for (int r = 0; r < ROWS; ++r) {
          const int i = in.row + r + PH - oh * SH;  // of the window's rows
          if (ROWS > 1 && (i < 0 || i >= KH)) continue;
          for (int v = 0; v < V; ++v) sum[r].at[v] += factor * gradient.at[v];
        }
      }
    }
    for (int r = 0; r < ROWS; ++r) {
      if (in.row + r < H) store<V>(dx, ((Index(c) * H + in.row + r) * W + in.column) * packs + in.n, sum[r]);
    }
  }
}

// The number in (0, 1] that a word stands for.
__device__ inline float share_of(unsigned word) { return float((word >> 8) + 1) * 5.9604644775390625e-8f; }

// Of each window the first element with which the sum reaches u times the whole sum; u is drawn for each output.
template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW>
__global__ void pool_stochastic_forward(
    const float* __restrict__ x, const Index* __restrict__ iteration, float* __restrict__ y, Where* __restrict__ chosen, int C, int H,
    int W, int OH, int OW, int packs, unsigned key0, unsigned key1) {
  const unsigned thread = flat_thread(), outputs = unsigned(OH) * OW * packs;
  if (thread >= outputs) return;
  const Position out = position_of(thread, OW, packs);
  const int top = out.row * SH - PH, left = out.column * SW - PW;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Index image = Index(c) * H * W, first = (Index(c) * outputs + thread) * V;
    Pack<float, V> total = all<V>(0.f);
    each_element<KH, KW>(top, left, H, W, [&](int ih, int iw, int) {
      const Pack<float, V> value = load<V>(x, (image + Index(ih) * W + iw) * packs + out.n);
      for (int v = 0; v < V; ++v) total.at[v] += value.at[v];
    });
    const Index group = first / 4;
    const Pack<unsigned, 4> words = philox(unsigned(group), unsigned(group >> 32), unsigned(iteration[0]), POOLING_STREAM, key0, key1);
    Pack<float, V> limit, best = all<V>(0.f), sum = all<V>(0.f);
    Pack<Where, V> where = all<V>(Where(0));
    bool reached[V];
    for (int v = 0; v < V; ++v) {
      const int word = (first + v) % 4;
      const unsigned low = word == 0 ? words.at[0] : words.at[1], high = word == 2 ? words.at[2] : words.at[3];
      limit.at[v] = share_of(word < 2 ? low : high) * total.at[v];
      reached[v] = false;
    }
    each_element<KH, KW>(top, left, H, W, [&](int ih, int iw, int here) {
      const Pack<float, V> value = load<V>(x, (image + Index(ih) * W + iw) * packs + out.n);
      for (int v = 0; v < V; ++v) {
        sum.at[v] += value.at[v];
        if (reached[v]) continue;
        best.at[v] = value.at[v];
        where.at[v] = Where(here);
        reached[v] = sum.at[v] >= limit.at[v];
      }
    });
    for (int v = 0; v < V; ++v) best.at[v] = total.at[v] == total.at[v] ? best.at[v] : total.at[v];  // a NaN is not hidden
    store<V>(y, Index(c) * outputs + thread, best);
    store<V>(chosen, Index(c) * outputs + thread, where);
  }
}

// y = sum(x * x) / sum(x) over each window, what is drawn in training on average; 0 where the sum is not above 0.
template <int V, int KH, int KW, int SH, int SW, int PH, int PW>
__global__ void pool_weighted_forward(
    const float* __restrict__ x, float* __restrict__ y, int C, int H, int W, int OH, int OW, int packs) {
  const unsigned thread = flat_thread(), outputs = unsigned(OH) * OW * packs;
  if (thread >= outputs) return;
  const Position out = position_of(thread, OW, packs);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> total = all<V>(0.f), squares = all<V>(0.f);
    each_element<KH, KW>(out.row * SH - PH, out.column * SW - PW, H, W, [&](int ih, int iw, int) {
      const Pack<float, V> value = load<V>(x, ((Index(c) * H + ih) * W + iw) * packs + out.n);
      for (int v = 0; v < V; ++v) {
        total.at[v] += value.at[v];
        squares.at[v] += value.at[v] * value.at[v];
      }
    });
    for (int v = 0; v < V; ++v) squares.at[v] = total.at[v] <= 0.f ? 0.f : squares.at[v] / total.at[v];
    store<V>(y, Index(c) * outputs + thread, squares);
  }
}
