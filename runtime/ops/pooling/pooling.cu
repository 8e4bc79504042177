// Pooling by windows of blobs (C, H, W, N).  A window is cut where it leaves the image; the mean divides by the size of the window
// cut to the padded image.  The maximum remembers where in its window it was found (row * KW + column), of equals the first.
// Backward gathers: every input element adds up what the windows over it give, in order.
#include "common.cuh"
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

// This thread's output or input element: its row, column and pack of images.
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

// Calls f(row, column) for each window over an input element, in order.
template <int KH, int KW, int SH, int SW, int PH, int PW, class F>
__device__ inline void each_window(const Position& in, int OH, int OW, F f) {
  const int oh0 = first_window<KH, SH>(in.row + PH), ow0 = first_window<KW, SW>(in.column + PW);
  const int oh1 = min((in.row + PH) / SH + 1, OH), ow1 = min((in.column + PW) / SW + 1, OW);
#pragma unroll unrolled(most(KH, SH), most(KW, SW))
  for (int a = 0; a < most(KH, SH); ++a) {
#pragma unroll unrolled(most(KW, SW), 1)
    for (int b = 0; b < most(KW, SW); ++b) {
      if (oh0 + a < oh1 && ow0 + b < ow1) f(oh0 + a, ow0 + b);
    }
  }
}

template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW, class X = float, class Y = float>
__global__ void pool_max_forward(
    const X* __restrict__ x, Y* __restrict__ y, Where* __restrict__ argmax, int C, int H, int W, int OH, int OW, int packs) {
  const unsigned thread = flat_thread(), outputs = unsigned(OH) * OW * packs;
  if (thread >= outputs) return;
  const Position out = position_of(thread, OW, packs);
  const int top = out.row * SH - PH, left = out.column * SW - PW;
  const int row0 = max(top, 0), column0 = max(left, 0);
  const bool empty = row0 >= min(top + KH, H) || column0 >= min(left + KW, W);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Index image = Index(c) * H * W;
    Pack<float, V> best = all<V>(LOWEST);
    Pack<Where, V> where = all<V>(Where(0));
    if (!empty) {
      best = load<V>(x, (image + Index(row0) * W + column0) * packs + out.n);
      where = all<V>(Where((row0 - top) * KW + column0 - left));
    }
#pragma unroll unrolled(KH, KW)
    for (int i = 0; i < KH; ++i) {
#pragma unroll unrolled(KW, 1)
      for (int j = 0; j < KW; ++j) {
        const int ih = top + i, iw = left + j;
        if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
        const Pack<float, V> value = load<V>(x, (image + Index(ih) * W + iw) * packs + out.n);
        for (int v = 0; v < V; ++v) {
          const bool better = value.at[v] > best.at[v];
          best.at[v] = better ? value.at[v] : best.at[v];
          where.at[v] = better ? Where(i * KW + j) : where.at[v];
        }
      }
    }
    store<V>(y, Index(c) * outputs + thread, best);
    store<V>(argmax, Index(c) * outputs + thread, where);
  }
}

template <int V, class Where, int KH, int KW, int SH, int SW, int PH, int PW, class DY = float, class DX = float>
__global__ void pool_max_backward(
    const DY* __restrict__ dy, const Where* __restrict__ argmax, DX* __restrict__ dx, int C, int H, int W, int OH, int OW,
    int packs) {
  const unsigned thread = flat_thread(), inputs = unsigned(H) * W * packs;
  if (thread >= inputs) return;
  const Position in = position_of(thread, W, packs);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum = all<V>(0.f);
    each_window<KH, KW, SH, SW, PH, PW>(in, OH, OW, [&](int oh, int ow) {
      const int here = (in.row + PH - oh * SH) * KW + in.column + PW - ow * SW;
      const Index at = ((Index(c) * OH + oh) * OW + ow) * packs + in.n;
      const Pack<float, V> gradient = load<V>(dy, at);
      const Pack<Where, V> where = load<V>(argmax, at);
      for (int v = 0; v < V; ++v) sum.at[v] += where.at[v] == here ? gradient.at[v] : 0.f;
    });
    store<V>(dx, Index(c) * inputs + thread, sum);
  }
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

template <int V, int KH, int KW, int SH, int SW, int PH, int PW, class X = float, class Y = float>
__global__ void pool_ave_forward(
    const X* __restrict__ x, Y* __restrict__ y, int C, int H, int W, int OH, int OW, int packs) {
  const unsigned thread = flat_thread(), outputs = unsigned(OH) * OW * packs;
  if (thread >= outputs) return;
  const Position out = position_of(thread, OW, packs);
  const int top = out.row * SH - PH, left = out.column * SW - PW;
  const float factor = reciprocal<KH, SH, PH>(out.row, H) * reciprocal<KW, SW, PW>(out.column, W);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum = all<V>(0.f);
#pragma unroll unrolled(KH, KW)
    for (int i = 0; i < KH; ++i) {
#pragma unroll unrolled(KW, 1)
      for (int j = 0; j < KW; ++j) {
        const int ih = top + i, iw = left + j;
        if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
        const Pack<float, V> value = load<V>(x, ((Index(c) * H + ih) * W + iw) * packs + out.n);
        for (int v = 0; v < V; ++v) sum.at[v] += value.at[v];
      }
    }
    for (int v = 0; v < V; ++v) sum.at[v] *= factor;
    store<V>(y, Index(c) * outputs + thread, sum);
  }
}

template <int V, int KH, int KW, int SH, int SW, int PH, int PW, class DY = float, class DX = float>
__global__ void pool_ave_backward(
    const DY* __restrict__ dy, DX* __restrict__ dx, int C, int H, int W, int OH, int OW, int packs) {
  const unsigned thread = flat_thread(), inputs = unsigned(H) * W * packs;
  if (thread >= inputs) return;
  const Position in = position_of(thread, W, packs);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum = all<V>(0.f);
    each_window<KH, KW, SH, SW, PH, PW>(in, OH, OW, [&](int oh, int ow) {
      const float factor = reciprocal<KH, SH, PH>(oh, H) * reciprocal<KW, SW, PW>(ow, W);
      const Pack<float, V> gradient = load<V>(dy, ((Index(c) * OH + oh) * OW + ow) * packs + in.n);
      for (int v = 0; v < V; ++v) sum.at[v] += factor * gradient.at[v];
    });
    store<V>(dx, Index(c) * inputs + thread, sum);
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
