// Images of another size by linear interpolation, of x (C, H, W, N): y (C, OH, OW, N), from the window of h x w pixels of x that
// starts at row and column `first`.  A thread is a pack of images at an output's, or in backward an input's position.
#include "common.cuh"

// The two pixels that an output lies between, and their weights.
struct Between {
  int low, high;
  float lower, upper;
};

__device__ inline float rate_of(int size, int outputs) { return outputs > 1 ? float(size - 1) / float(outputs - 1) : 0.f; }

__device__ inline Between between(int index, float rate, int size) {
  const float at = __fmul_rn(float(index), rate);
  const int low = min(int(at), size - 1);
  return {low, min(low + 1, size - 1), 1.f - (at - float(low)), at - float(low)};
}

// What an output weighs one pixel.
__device__ inline float weight_of(const Between& output, int pixel) {
  return (output.low == pixel ? output.lower : 0.f) + (output.high == pixel ? output.upper : 0.f);
}

// The outputs [first, last) among which all lie that a pixel counts for.
struct Range {
  int first, last;
};

__device__ inline Range outputs_of(int pixel, float rate, int outputs) {
  if (rate == 0) return {0, outputs};
  const float low = (float(pixel) - 1) / rate, high = (float(pixel) + 1) / rate;
  return {max(int(low) - 1, 0), high < float(outputs) ? min(int(high) + 2, outputs) : outputs};
}

template <int V>
__global__ void interp_forward(
    const float* __restrict__ x, float* __restrict__ y, int C, int H, int W, int OH, int OW, int packs, int first, int h, int w) {
  const unsigned thread = flat_thread(), outputs = unsigned(OH) * OW * packs;
  if (thread >= outputs) return;
  const int n = thread % packs, ow = thread / packs % OW, oh = thread / packs / OW;
  const Between row = between(oh, rate_of(h, OH), h), column = between(ow, rate_of(w, OW), w);
  const Index upper = Index(first + row.low) * W + first, lower = Index(first + row.high) * W + first;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Index image = Index(c) * H * W;
    const Pack<float, V> a = load<V>(x, (image + upper + column.low) * packs + n);
    const Pack<float, V> b = load<V>(x, (image + upper + column.high) * packs + n);
    const Pack<float, V> d = load<V>(x, (image + lower + column.low) * packs + n);
    const Pack<float, V> e = load<V>(x, (image + lower + column.high) * packs + n);
    auto mix = [=](float a, float b, float d, float e) {
      return row.lower * (column.lower * a + column.upper * b) + row.upper * (column.lower * d + column.upper * e);
    };
    apply<V>(Index(c) * outputs + thread, y, mix, a, b, d, e);
  }
}

template <int V>
__global__ void interp_backward(
    const float* __restrict__ dy, float* __restrict__ dx, int C, int H, int W, int OH, int OW, int packs, int first, int h, int w) {
  const unsigned thread = flat_thread(), inputs = unsigned(H) * W * packs, outputs = unsigned(OH) * OW * packs;
  if (thread >= inputs) return;
  const int n = thread % packs, column = int(thread / packs % W) - first, row = int(thread / packs / W) - first;
  const float down = rate_of(h, OH), across = rate_of(w, OW);
  Range rows = {0, 0}, columns = {0, 0};
  if (row >= 0 && row < h && column >= 0 && column < w) {
    rows = outputs_of(row, down, OH);
    columns = outputs_of(column, across, OW);
  }
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum = all<V>(0.f);
    for (int oh = rows.first; oh < rows.last; ++oh) {
      const float a = weight_of(between(oh, down, h), row);
      for (int ow = columns.first; ow < columns.last && a != 0; ++ow) {
        const float weight = a * weight_of(between(ow, across, w), column);
        if (weight == 0) continue;
        const Pack<float, V> gradient = load<V>(dy, Index(c) * outputs + (Index(oh) * OW + ow) * packs + n);
        for (int v = 0; v < V; ++v) sum.at[v] += weight * gradient.at[v];
      }
    }
    store<V>(dx, Index(c) * inputs + thread, sum);
  }
}
