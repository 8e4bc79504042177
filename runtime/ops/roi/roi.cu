// Regions of interest, bin by bin, of x (C, H, W, N): y (C, PH, PW, R).  rois (5, R) has rows image, x1, y1, x2, y2.  A thread is an
// output, or in backward an input element, of one channel after another; backward gathers over the regions in order.
#include "common.cuh"
#include "regions.cuh"

struct Range {
  int first, last;
};

__device__ inline Range inside(int first, int last, int size) {
  return {min(max(first, 0), size), min(max(last, 0), size)};
}

__device__ inline int whole(float value, float scale) { return int(roundf(__fmul_rn(value, scale))); }

// The pixels of a bin of a side from low to high, both whole.
__device__ inline Range pixels(int low, int high, int bins, int index, int size) {
  const float length = float(max(high - low + 1, 1)) / float(bins);
  return inside(int(floorf(__fmul_rn(float(index), length))) + low, int(ceilf(__fmul_rn(float(index + 1), length))) + low, size);
}

// The pixels that a bin of a side touches that is divided without rounding.
__device__ inline Range covered(float low, float high, float scale, int bins, int index, int size) {
  const float start = __fmul_rn(roundf(low), scale), end = __fmul_rn(roundf(high) + 1.f, scale);
  const float length = larger(end - start, 0.1f) / float(bins);
  const float first = __fmul_rn(float(index), length), last = __fmul_rn(float(index + 1), length);
  return inside(int(floorf(first + start)), int(ceilf(last + start)), size);
}

__global__ void roi_max_forward(
    const float* x, const float* rois, float* y, int* argmax, int C, int H, int W, int N, int PH, int PW, int R, float scale) {
  const unsigned thread = flat_thread(), outputs = unsigned(PH) * PW * R;
  if (thread >= outputs) return;
  const int r = thread % R, pw = thread / R % PW, ph = thread / R / PW;
  const int n = image_of(rois, R, r, N);
  Range rows = {0, 0}, columns = {0, 0};
  if (n >= 0) {
    rows = pixels(whole(rois[2 * R + r], scale), whole(rois[4 * R + r], scale), PH, ph, H);
    columns = pixels(whole(rois[R + r], scale), whole(rois[3 * R + r], scale), PW, pw, W);
  }
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    float best = n == NO_REGION ? not_a_number() : 0.f;
    int where = -1;
    for (int h = rows.first; h < rows.last; ++h) {
      for (int w = columns.first; w < columns.last; ++w) {
        const float value = x[((Index(c) * H + h) * W + w) * N + n];
        if (where < 0 || value > best) {
          best = value;
          where = h * W + w;
        }
      }
    }
    y[Index(c) * outputs + thread] = best;
    argmax[Index(c) * outputs + thread] = where;
  }
}

__global__ void roi_max_backward(
    const float* dy, const float* rois, const int* argmax, float* dx, int C, int H, int W, int N, int PH, int PW, int R) {
  const unsigned thread = flat_thread(), inputs = unsigned(H) * W * N, outputs = unsigned(PH) * PW * R;
  if (thread >= inputs) return;
  const int n = thread % N, here = thread / N;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    float sum = 0;
    for (int r = 0; r < R; ++r) {
      if (image_of(rois, R, r, N) != n) continue;
      for (int bin = 0; bin < PH * PW; ++bin) {
        const Index at = Index(c) * outputs + Index(bin) * R + r;
        if (argmax[at] == here) sum += dy[at];
      }
    }
    dx[Index(c) * inputs + thread] = sum;
  }
}

__global__ void psroi_forward(const float* x, const float* rois, float* y, int D, int H, int W, int N, int G, int R, float scale) {
  const unsigned thread = flat_thread(), outputs = unsigned(G) * G * R;
  if (thread >= outputs) return;
  const int r = thread % R, gw = thread / R % G, gh = thread / R / G;
  const int n = image_of(rois, R, r, N);
  Range rows = {0, 0}, columns = {0, 0};
  if (n >= 0) {
    rows = covered(rois[2 * R + r], rois[4 * R + r], scale, G, gh, H);
    columns = covered(rois[R + r], rois[3 * R + r], scale, G, gw, W);
  }
  const int count = max(rows.last - rows.first, 0) * max(columns.last - columns.first, 0);
  for (int d = blockIdx.y; d < D; d += gridDim.y) {
    const Index channel = (Index(d) * G + gh) * G + gw;
    float total = n == NO_REGION ? not_a_number() : 0.f;
    for (int h = rows.first; h < rows.last; ++h) {
      for (int w = columns.first; w < columns.last; ++w) total += x[((channel * H + h) * W + w) * N + n];
    }
    y[Index(d) * outputs + thread] = count ? total / float(count) : total;
  }
}

__global__ void psroi_backward(
    const float* dy, const float* rois, float* dx, int C, int H, int W, int N, int G, int R, float scale) {
  const unsigned thread = flat_thread(), inputs = unsigned(H) * W * N;
  if (thread >= inputs) return;
  const int n = thread % N, w = thread / N % W, h = thread / N / W;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const int gw = c % G, gh = c / G % G;
    float sum = 0;
    for (int r = 0; r < R; ++r) {
      if (image_of(rois, R, r, N) != n) continue;
      const Range rows = covered(rois[2 * R + r], rois[4 * R + r], scale, G, gh, H);
      const Range columns = covered(rois[R + r], rois[3 * R + r], scale, G, gw, W);
      if (h < rows.first || h >= rows.last || w < columns.first || w >= columns.last) continue;
      sum += dy[Index(c) * R + r] / float((rows.last - rows.first) * (columns.last - columns.first));
    }
    dx[Index(c) * inputs + thread] = sum;
  }
}
