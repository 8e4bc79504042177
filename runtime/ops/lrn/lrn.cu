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
  // s of the channel in the middle.
  __device__ Pack<float, V> scale(float a, float k) const {
    Pack<float, V> s;
    for (int v = 0; v < V; ++v) {
      float sum = 0;
      for (int i = 0; i < SIZE; ++i) sum += at[i].at[v] * at[i].at[v];
      s.at[v] = k + a * sum;
    }
    return s;
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
template <int V, int SIZE, bool ROOT, class X = float, class Y = float>
__global__ void lrn_forward(
    const X* __restrict__ x, Y* __restrict__ y, int C, Index packs, int per_group, int runs, float a, float beta, float k) {
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
      const Pack<float, V> s = near.scale(a, k);
      Pack<float, V> out;
      for (int v = 0; v < V; ++v) out.at[v] = near.at[HALF].at[v] * power<ROOT>(s.at[v], beta);
      store<V>(y, c * packs + pack, out);
    }
  }
}

// s of one channel, its neighbours read anew.
template <int V, class X>
__device__ inline Pack<float, V> scale_of(
    const X* x, int c, Index packs, Index pack, Run group, int half, float a, float k) {
  Pack<float, V> sum = all<V>(0.f);
#pragma unroll 2
  for (int j = max(c - half, group.group_begin); j < min(c + half + 1, group.group_end); ++j) {
    const Pack<float, V> value = load<V>(x, j * packs + pack);
    for (int v = 0; v < V; ++v) sum.at[v] += value.at[v] * value.at[v];
  }
  for (int v = 0; v < V; ++v) sum.at[v] = k + a * sum.at[v];
  return sum;
}

// dx of the channel in the middle of a window of dy * y / s.
template <int V, int SIZE>
__device__ inline Pack<float, V> completed(
    const Pack<float, V>& direct, const Pack<float, V>& x, const Window<V, SIZE>& ratios, float factor) {
  Pack<float, V> out;
  for (int v = 0; v < V; ++v) {
    float sum = 0;
    for (int i = 0; i < SIZE; ++i) sum += ratios.at[i].at[v];
    out.at[v] = direct.at[v] + factor * x.at[v] * sum;
  }
  return out;
}

// x, dy, dx (C, packs).  dx is completed half a window behind the channel whose dy * y / s is added to the window.
// Where x would not fit into the registers together with the rest, it is read again.
template <int V, int SIZE, bool ROOT, class X = float, class DY = float, class DX = float>
__global__ void __launch_bounds__(128, 4) lrn_backward(
    const X* __restrict__ x, const DY* __restrict__ dy, DX* __restrict__ dx, int C, Index packs, int per_group, int runs,
    float a, float beta, float k, float factor) {
  constexpr int HALF = SIZE / 2;
  constexpr bool HELD = V * SIZE <= 28;
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (int part = blockIdx.y; part < C / per_group * runs; part += gridDim.y) {
    const Run run = run_of(part, per_group, runs);
    Window<V, SIZE> near, ratios;     // of x around channel c, of dy * y / s up to c
    Window<V, HALF + 1> straight;     // dy * s ** -beta up to c
    near.clear();
    ratios.clear();
    straight.clear();
    for (int c = run.begin - 2 * HALF; HELD && c < run.begin; ++c) {
      near.push(c >= run.group_begin && c < run.group_end ? load<V>(x, c * packs + pack) : all<V>(0.f));
    }
#pragma unroll SIZE
    for (int c = run.begin - HALF; c < run.end + HALF; ++c) {
      const int next = c + HALF;
      if (HELD) near.push(next >= run.group_begin && next < run.group_end ? load<V>(x, next * packs + pack) : all<V>(0.f));
      Pack<float, V> direct = all<V>(0.f), ratio = all<V>(0.f);
      if (c >= run.group_begin && c < run.group_end) {
        const Pack<float, V> gradient = load<V>(dy, c * packs + pack);
        const Pack<float, V> value = HELD ? near.at[HALF] : load<V>(x, c * packs + pack);
        const Pack<float, V> s = HELD ? near.scale(a, k) : scale_of<V>(x, c, packs, pack, run, HALF, a, k);
        for (int v = 0; v < V; ++v) {
          direct.at[v] = gradient.at[v] * power<ROOT>(s.at[v], beta);
          ratio.at[v] = direct.at[v] * value.at[v] / s.at[v];
        }
      }
      ratios.push(ratio);
      straight.push(direct);
      const int done = c - HALF;
      if (done < run.begin) continue;
      const Pack<float, V> own = HELD ? near.at[0] : load<V>(x, done * packs + pack);
      store<V>(dx, done * packs + pack, completed(straight.at[0], own, ratios, factor));
    }
  }
}

// The same for windows too large for registers.
template <int V, bool ROOT>
__global__ void lrn_forward_wide(
    const float* __restrict__ x, float* __restrict__ y, int C, Index packs, int per_group, int half, float a, float beta, float k) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Run group = run_of(c / per_group, per_group, 1);
    const Pack<float, V> s = scale_of<V>(x, c, packs, pack, group, half, a, k), own = load<V>(x, c * packs + pack);
    Pack<float, V> out;
    for (int v = 0; v < V; ++v) out.at[v] = own.at[v] * power<ROOT>(s.at[v], beta);
    store<V>(y, c * packs + pack, out);
  }
}

template <int V, bool ROOT>
__global__ void lrn_backward_wide(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dx, int C, Index packs, int per_group, int half,
    float a, float beta, float k, float factor) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Run group = run_of(c / per_group, per_group, 1);
    Pack<float, V> out = all<V>(0.f), sum = out;
    for (int j = max(c - half, group.group_begin); j < min(c + half + 1, group.group_end); ++j) {
      const Pack<float, V> s = scale_of<V>(x, j, packs, pack, group, half, a, k);
      const Pack<float, V> value = load<V>(x, j * packs + pack), gradient = load<V>(dy, j * packs + pack);
      for (int v = 0; v < V; ++v) {
        const float direct = gradient.at[v] * power<ROOT>(s.at[v], beta), ratio = direct * value.at[v] / s.at[v];
        if (j == c) out.at[v] = direct;
        sum.at[v] += ratio;
      }
    }
    const Pack<float, V> own = load<V>(x, c * packs + pack);
    for (int v = 0; v < V; ++v) out.at[v] += factor * own.at[v] * sum.at[v];
    store<V>(dx, c * packs + pack, out);
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
