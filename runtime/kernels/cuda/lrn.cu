// Local response normalisation across channels and within one.
//
//     s[c]  = k + a * sum(x[j] ** 2 for the SIZE channels j around c, inside c's group)
//     y[c]  = x[c] * s[c] ** -beta
//     dx[c] = dy[c] * s[c] ** -beta + factor * x[c] * sum(dy[j] * y[j] / s[j] for the same j),   factor = -2 a beta
//
// A thread takes one pack of positions through a run of a group's channels, once, with what the window holds in registers; each sum
// is taken anew from these, as a running sum would keep the rounding of large numbers that left the window.  ROOT: beta is 0.75, and
// s ** -0.75 = r * sqrt(r) with r = 1 / sqrt(s).
#include "common.cuh"

template <int V, int SIZE> struct Window {
  Pack<float, V> at[SIZE];  // oldest first

  __device__ void clear() {
    for (int i = 0; i < SIZE; ++i) at[i] = all<V>(0.f);
  }
  __device__ void push(const Pack<float, V>& value) {
    for (int i = 0; i + 1 < SIZE; ++i) at[i] = at[i + 1];
    at[SIZE - 1] = value;
  }
};

// s ** -beta.
template <bool ROOT> __device__ inline float power(float s, float beta) {
  if (!ROOT) return powf(s, -beta);
  const float r = rsqrtf(s);
  return r * sqrtf(r);
}

// The run of channels that is this block's `part`-th, of `runs` to a group.
struct Run {
  int group_begin, group_end, begin, end;
};

__device__ inline Run run_of(int part, int per_group, int runs) {
  const int length = (per_group + runs - 1) / runs, group_begin = part / runs * per_group, group_end = group_begin + per_group;
  const int begin = min(group_begin + part % runs * length, group_end);
  return {group_begin, group_end, begin, min(begin + length, group_end)};
}

// x, y (C, packs).
template <int V, int SIZE, bool ROOT>
__global__ void lrn_forward(
    const float* __restrict__ x, float* __restrict__ y, int C, Index packs, int per_group, int runs, float a, float beta, float k) {
  constexpr int HALF = SIZE / 2;
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (int part = blockIdx.y; part < C / per_group * runs; part += gridDim.y) {
    const Run run = run_of(part, per_group, runs);
    Window<V, SIZE> near;
    near.clear();
    for (int c = max(run.begin - HALF, run.group_begin); c < min(run.begin + HALF, run.group_end); ++c) {
      near.push(load<V>(x, c * packs + pack));
    }
    for (int c = run.begin + HALF; c > run.group_end; --c) near.push(all<V>(0.f));
#pragma unroll SIZE
    for (int c = run.begin; c < run.end; ++c) {
      near.push(c + HALF < run.group_end ? load<V>(x, (c + HALF) * packs + pack) : all<V>(0.f));
      Pack<float, V> out;
      for (int v = 0; v < V; ++v) {
        float sum = 0;
        for (int i = 0; i < SIZE; ++i) sum += near.at[i].at[v] * near.at[i].at[v];
        out.at[v] = near.at[HALF].at[v] * power<ROOT>(k + a * sum, beta);
      }
      store<V>(y, c * packs + pack, out);
    }
  }
}

// x, dy, dx (C, packs).  dx is completed half a window behind the channel whose dy * y / s is added to the window.
template <int V, int SIZE, bool ROOT>
__global__ void lrn_backward(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dx, int C, Index packs, int per_group, int runs,
    float a, float beta, float k, float factor) {
  constexpr int HALF = SIZE / 2;
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (int part = blockIdx.y; part < C / per_group * runs; part += gridDim.y) {
    const Run run = run_of(part, per_group, runs);
    Window<V, SIZE> near, ratios;     // of x around channel c, of dy * y / s up to c
    Window<V, HALF + 1> straight;     // dy * s ** -beta up to c
    near.clear();
    ratios.clear();
    straight.clear();
    for (int c = run.begin - 2 * HALF; c < run.begin; ++c) {
      near.push(c >= run.group_begin && c < run.group_end ? load<V>(x, c * packs + pack) : all<V>(0.f));
    }
#pragma unroll SIZE
    for (int c = run.begin - HALF; c < run.end + HALF; ++c) {
      near.push(c + HALF >= run.group_begin && c + HALF < run.group_end ? load<V>(x, (c + HALF) * packs + pack) : all<V>(0.f));
      Pack<float, V> direct = all<V>(0.f), ratio = all<V>(0.f);
      if (c >= run.group_begin && c < run.group_end) {
        const Pack<float, V> gradient = load<V>(dy, c * packs + pack);
        for (int v = 0; v < V; ++v) {
          float sum = 0;
          for (int i = 0; i < SIZE; ++i) sum += near.at[i].at[v] * near.at[i].at[v];
          const float s = k + a * sum;
          direct.at[v] = gradient.at[v] * power<ROOT>(s, beta);
          ratio.at[v] = direct.at[v] * near.at[HALF].at[v] / s;
        }
      }
      ratios.push(ratio);
      straight.push(direct);
      if (c - HALF < run.begin) continue;
      Pack<float, V> out;
      for (int v = 0; v < V; ++v) {
        float sum = 0;
        for (int i = 0; i < SIZE; ++i) sum += ratios.at[i].at[v];
        out.at[v] = straight.at[0].at[v] + factor * near.at[0].at[v] * sum;
      }
      store<V>(dx, (c - HALF) * packs + pack, out);
    }
  }
}

// s of one channel, its neighbours read anew.
__device__ inline float scale_of(const float* x, int c, Index positions, Index position, Run group, int half, float a, float k) {
  float sum = 0;
  for (int j = max(c - half, group.group_begin); j < min(c + half + 1, group.group_end); ++j) {
    const float value = x[j * positions + position];
    sum += value * value;
  }
  return k + a * sum;
}

// The same for windows too large for registers.
template <bool ROOT>
__global__ void lrn_forward_wide(
    const float* __restrict__ x, float* __restrict__ y, int C, Index positions, int per_group, int half, float a, float beta,
    float k) {
  const Index position = flat_thread();
  if (position >= positions) return;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Run group = run_of(c / per_group, per_group, 1);
    const float s = scale_of(x, c, positions, position, group, half, a, k);
    y[c * positions + position] = x[c * positions + position] * power<ROOT>(s, beta);
  }
}

template <bool ROOT>
__global__ void lrn_backward_wide(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dx, int C, Index positions, int per_group,
    int half, float a, float beta, float k, float factor) {
  const Index position = flat_thread();
  if (position >= positions) return;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Run group = run_of(c / per_group, per_group, 1);
    float direct = 0, sum = 0;
    for (int j = max(c - half, group.group_begin); j < min(c + half + 1, group.group_end); ++j) {
      const float s = scale_of(x, j, positions, position, group, half, a, k);
      const float part = dy[j * positions + position] * power<ROOT>(s, beta);
      if (j == c) direct = part;
      sum += part * x[j * positions + position] / s;
    }
    dx[c * positions + position] = direct + factor * x[c * positions + position] * sum;
  }
}

// The rows and columns of the window around this thread's element, and where its pack of images is.
struct Square {
  int row0, row1, column0, column1;
  unsigned n;
};

__device__ inline Square square_of(unsigned thread, int H, int W, int packs, int half) {
  const int element = thread / packs, row = element / W, column = element % W;
  return {max(row - half, 0), min(row + half + 1, H), max(column - half, 0), min(column + half + 1, W), thread % packs};
}

// The window is size x size positions of one channel of (C, H, W, packs); scale = 1 + a * its sum of squares.
template <int V>
__global__ void lrn_within_forward(
    const float* __restrict__ x, float* __restrict__ y, float* __restrict__ scale, int C, int H, int W, int packs, int half,
    float a, float beta) {
  const unsigned thread = flat_thread(), elements = unsigned(H) * W * packs;
  if (thread >= elements) return;
  const Square near = square_of(thread, H, W, packs, half);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum = all<V>(0.f), out;
    for (int h = near.row0; h < near.row1; ++h) {
      for (int w = near.column0; w < near.column1; ++w) {
        const Pack<float, V> value = load<V>(x, ((Index(c) * H + h) * W + w) * packs + near.n);
        for (int v = 0; v < V; ++v) sum.at[v] += value.at[v] * value.at[v];
      }
    }
    const Index at = Index(c) * elements + thread;
    const Pack<float, V> own = load<V>(x, at);
    for (int v = 0; v < V; ++v) {
      sum.at[v] = 1.f + a * sum.at[v];
      out.at[v] = own.at[v] * powf(sum.at[v], -beta);
    }
    store<V>(scale, at, sum);
    store<V>(y, at, out);
  }
}

template <int V>
__global__ void lrn_within_backward(
    const float* __restrict__ x, const float* __restrict__ y, const float* __restrict__ scale, const float* __restrict__ dy,
    float* __restrict__ dx, int C, int H, int W, int packs, int half, float beta, float factor) {
  const unsigned thread = flat_thread(), elements = unsigned(H) * W * packs;
  if (thread >= elements) return;
  const Square near = square_of(thread, H, W, packs, half);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    Pack<float, V> sum = all<V>(0.f);
    for (int h = near.row0; h < near.row1; ++h) {
      for (int w = near.column0; w < near.column1; ++w) {
        const Index at = ((Index(c) * H + h) * W + w) * packs + near.n;
        const Pack<float, V> gradient = load<V>(dy, at), value = load<V>(y, at), s = load<V>(scale, at);
        for (int v = 0; v < V; ++v) sum.at[v] += gradient.at[v] * value.at[v] / s.at[v];
      }
    }
    const Index at = Index(c) * elements + thread;
    const Pack<float, V> own = load<V>(x, at), gradient = load<V>(dy, at), s = load<V>(scale, at);
    for (int v = 0; v < V; ++v) sum.at[v] = gradient.at[v] * powf(s.at[v], -beta) + factor * own.at[v] * sum.at[v];
    store<V>(dx, at, sum);
  }
}
