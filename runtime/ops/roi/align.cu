// ROIAlign: the mean of a grid of interpolated samples in each bin.  roi.cu has the layout and what a thread is.
#include "common.cuh"
#include "regions.cuh"

// One side of a region, divided into bins: where it starts, how long a bin is, and how many samples it has.
struct Side {
  float start, length;
  int samples;
};

__device__ inline Side side_of(float low, float high, float scale, int bins, int samples) {
  const float start = __fmul_rn(low, scale);
  const float length = larger(__fmul_rn(high, scale) - start, 1.f) / float(bins);
  return {start, length, samples > 0 ? samples : int(ceilf(length))};
}

// The two pixels that a sample lies between, and their weights: 0 beyond the image.
struct Sample {
  int low, high;
  float lower, upper;
};

__device__ inline Sample sample_of(const Side& side, int bin, int index, int size) {
  float at = side.start + __fmul_rn(float(bin), side.length);
  at += __fmul_rn(float(index) + 0.5f, side.length) / float(side.samples);
  if (at < -1.f || at > float(size)) return {0, 0, 0.f, 0.f};
  at = larger(at, 0.f);
  const int low = int(at);
  if (low >= size - 1) return {size - 1, size - 1, 1.f, 0.f};
  return {low, low + 1, 1.f - (at - float(low)), at - float(low)};
}

// What all samples of a bin weigh one pixel of this side.
__device__ inline float weight_of(const Side& side, int bin, int pixel, int size) {
  float sum = 0;
  for (int index = 0; index < side.samples; ++index) {
    const Sample sample = sample_of(side, bin, index, size);
    sum += sample.low == pixel ? sample.lower : 0.f;
    sum += sample.high == pixel ? sample.upper : 0.f;
  }
  return sum;
}

__global__ void roi_align_forward(
    const float* x, const float* rois, float* y, int C, int H, int W, int N, int PH, int PW, int R, float scale, int samples) {
  const unsigned thread = flat_thread(), outputs = unsigned(PH) * PW * R;
  if (thread >= outputs) return;
  const int r = thread % R, pw = thread / R % PW, ph = thread / R / PW, n = image_of(rois, R, r, N);
  Side rows = {0, 0, 0}, columns = {0, 0, 0};
  if (n >= 0) {
    rows = side_of(rois[2 * R + r], rois[4 * R + r], scale, PH, samples);
    columns = side_of(rois[R + r], rois[3 * R + r], scale, PW, samples);
  }
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const float* image = x + Index(c) * H * W * N + n;
    float total = n == NO_REGION ? not_a_number() : 0.f;
    for (int i = 0; i < rows.samples; ++i) {
      const Sample row = sample_of(rows, ph, i, H);
      for (int j = 0; j < columns.samples; ++j) {
        const Sample column = sample_of(columns, pw, j, W);
        const Index low = Index(row.low) * W, high = Index(row.high) * W;
        const float upper = column.lower * image[(low + column.low) * N] + column.upper * image[(low + column.high) * N];
        const float lower = column.lower * image[(high + column.low) * N] + column.upper * image[(high + column.high) * N];
        total += row.lower * upper + row.upper * lower;
      }
    }
    y[Index(c) * outputs + thread] = n >= 0 ? total / float(rows.samples * columns.samples) : total;
  }
}

__global__ void roi_align_backward(
    const float* dy, const float* rois, float* dx, int C, int H, int W, int N, int PH, int PW, int R, float scale, int samples) {
  const unsigned thread = flat_thread(), inputs = unsigned(H) * W * N, outputs = unsigned(PH) * PW * R;
  if (thread >= inputs) return;
  const int n = thread % N, w = thread / N % W, h = thread / N / W;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    float sum = 0;
    for (int r = 0; r < R; ++r) {
      if (image_of(rois, R, r, N) != n) continue;
      const Side rows = side_of(rois[2 * R + r], rois[4 * R + r], scale, PH, samples);
      const Side columns = side_of(rois[R + r], rois[3 * R + r], scale, PW, samples);
      const float share = 1.f / float(rows.samples * columns.samples);
      for (int ph = 0; ph < PH; ++ph) {
        const float a = weight_of(rows, ph, h, H);
        for (int pw = 0; pw < PW && a != 0; ++pw) {
          const float b = weight_of(columns, pw, w, W);
          if (b != 0) sum += share * a * b * dy[Index(c) * outputs + (Index(ph) * PW + pw) * R + r];
        }
      }
    }
    dx[Index(c) * inputs + thread] = sum;
  }
}
