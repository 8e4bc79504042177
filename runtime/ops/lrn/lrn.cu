// Local response normalisation across channels and within one.
//
//     s[c]  = k + a * sum(x[j] ** 2 for the SIZE channels j around c, inside c's group)
//     y[c]  = x[c] * s[c] ** -beta
//     dx[c] = dy[c] * s[c] ** -beta + factor * x[c] * sum(dy[j] * y[j] / s[j] for the same j),   factor = -2 a beta
//
// A thread takes one pack of positions through a run of a group's channels, once, with what the window holds in registers; each sum
// is taken anew from these, as a running sum would keep the rounding of large numbers that left the window.  ROOT: beta is 0.75, and
// s ** -0.75 = r * sqrt(r) and 1 / s = r * r with r = 1 / sqrt(s).
//
// Cards flush the squares of small numbers to zero.  Where k is 0, so that s may be as small, x is multiplied by a power of two, `up`,
// at first, and s ** -beta by `gain`, up ** (2 beta), which gives the same results for x up to 1e12, where s overflows.  Where beta is
// over 1, s ** -beta of large x would be flushed instead, and `up` is 1.
#include "common.cuh"
#include "masked.cuh"

constexpr int AHEAD = 2;  // channels that are loaded before they are due

template <int V, int SIZE> struct Window {
  Pack<float, V> at[SIZE];  // oldest first

  __device__ void clear() {
    for (int i = 0; i < SIZE; ++i) at[i] = all<V>(0.f);
  }
  // What was the oldest.
  __device__ Pack<float, V> push(const Pack<float, V>& value) {
    const Pack<float, V> oldest = at[0];
    for (int i = 0; i + 1 < SIZE; ++i) at[i] = at[i + 1];
    at[SIZE - 1] = value;
    return oldest;
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

// s ** -beta, and 1 / s.
struct Powers {
  float power, inverse;
};

template <bool ROOT> __device__ inline Powers powers(float s, float beta) {
  if (!ROOT) return {powf(s, -beta), 1.f / s};
  const float r = rsqrtf(s);
  return {r * sqrtf(r), r * r};
}

// x * up of a channel of a run's group; nothing of others.
template <int V, class X> __device__ inline Pack<float, V> taken(const X* x, Index at, bool any, float up) {
  if (!any) return all<V>(0.f);
  Pack<float, V> value = load<V>(x, at);
  for (int v = 0; v < V; ++v) value.at[v] *= up;
  return value;
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
    const X* __restrict__ x, Y* __restrict__ y, int C, Index packs, int per_group, int runs, float a, float beta, float k,
    float up, float gain) {
  constexpr int HALF = SIZE / 2;
  const Index pack = flat_thread();
  if (pack >= packs) return;
  const float back = gain / up;
  for (int part = blockIdx.y; part < C / per_group * runs; part += gridDim.y) {
    const Run run = run_of(part, per_group, runs);
    const auto channel = [&](int c) { return taken<V>(x, c * packs + pack, c >= run.group_begin && c < run.group_end, up); };
    Window<V, SIZE> near;
    Window<V, AHEAD> coming;
    near.clear();
    for (int c = run.begin - HALF; c < run.begin + HALF; ++c) near.push(channel(c));
    for (int c = 0; c < AHEAD; ++c) coming.push(channel(run.begin + HALF + c));
#pragma unroll SIZE
    for (int c = run.begin; c < run.end; ++c) {
      near.push(coming.push(c + AHEAD < run.end ? channel(c + AHEAD + HALF) : all<V>(0.f)));
      const Pack<float, V> s = near.scale(a, k);
      Pack<float, V> out;
      for (int v = 0; v < V; ++v) out.at[v] = near.at[HALF].at[v] * (powers<ROOT>(s.at[v], beta).power * back);
      store<V>(y, c * packs + pack, out);
    }
  }
}

// s of one channel, its neighbours read anew.
template <int V, class X>
__device__ inline Pack<float, V> scale_of(
    const X* x, int c, Index packs, Index pack, Run group, int half, float a, float k, float up) {
  Pack<float, V> sum = all<V>(0.f);
#pragma unroll 2
  for (int j = max(c - half, group.group_begin); j < min(c + half + 1, group.group_end); ++j) {
    const Pack<float, V> value = taken<V>(x, j * packs + pack, true, up);
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
// x is also the result of the ReLU before, if AFTER says that there is one; partial (C, warps): see masked.cuh.
template <int V, int SIZE, bool ROOT, int AFTER, class X, class DY, class DX>
__device__ inline void lrn_backward_of(
    const X* x, const DY* dy, DX* dx, float* partial, int C, Index packs, int per_group, int runs, float a, float beta,
    float k, float up, float gain, float factor, float slope) {
  constexpr int HALF = SIZE / 2, SOON = V * SIZE <= 20 ? AHEAD : 0;
  constexpr bool HELD = V * SIZE <= 28;
  const bool any = flat_thread() < packs;
  const Index pack = any ? flat_thread() : 0;  // the lanes of a warp sum together, with or without
  if (AFTER != MASKED_AND_SUMMED && !any) return;
  for (int part = blockIdx.y; part < C / per_group * runs; part += gridDim.y) {
    const Run run = run_of(part, per_group, runs);
    const int first = run.begin - HALF, last = run.end + HALF;
    const auto inside = [&](int c) { return c >= run.group_begin && c < run.group_end; };
    const auto value = [&](int c) { return taken<V>(x, c * packs + pack, inside(c), up); };
    const auto given = [&](int c) { return taken<V>(dy, c * packs + pack, inside(c) && c < last, 1.f); };
    Window<V, SIZE> near, ratios;     // of x around channel c, of dy * y / s up to c
    Window<V, HALF + 1> straight;     // dy * s ** -beta up to c
    Window<V, SOON ? SOON : 1> coming, gradients;
    near.clear();
    ratios.clear();
    straight.clear();
    for (int c = first - HALF; HELD && c < first + HALF; ++c) near.push(value(c));
    for (int c = 0; c < SOON; ++c) {
      if (HELD) coming.push(value(first + HALF + c));
      gradients.push(given(first + c));
    }
#pragma unroll (V * SIZE <= 20 ? SIZE : 2)
    for (int c = first; c < last; ++c) {
      if (HELD && SOON) near.push(coming.push(c + SOON < last ? value(c + SOON + HALF) : all<V>(0.f)));
      if (HELD && !SOON) near.push(value(c + HALF));
      const Pack<float, V> gradient = SOON ? gradients.push(given(c + SOON)) : given(c);
      Pack<float, V> direct = all<V>(0.f), ratio = all<V>(0.f);
      if (inside(c)) {
        const Pack<float, V> middle = HELD ? near.at[HALF] : value(c);
        const Pack<float, V> s = HELD ? near.scale(a, k) : scale_of<V>(x, c, packs, pack, run, HALF, a, k, up);
        for (int v = 0; v < V; ++v) {
          const Powers of = powers<ROOT>(s.at[v], beta);
          direct.at[v] = gradient.at[v] * (of.power * gain);
          ratio.at[v] = direct.at[v] * middle.at[v] * of.inverse;
        }
      }
      ratios.push(ratio);
      straight.push(direct);
      const int done = c - HALF;
      if (done < run.begin) continue;
      const Pack<float, V> own = HELD ? near.at[0] : value(done);
      Pack<float, V> made = completed(straight.at[0], own, ratios, factor);
      if (AFTER != AS_IT_IS) mask<V>(made, own, slope);
      if (any) store<V>(dx, done * packs + pack, made);
      if (AFTER == MASKED_AND_SUMMED) put_sum<V>(partial, done, made, any);
    }
  }
}

template <int V, int SIZE, bool ROOT, class X = float, class DY = float, class DX = float>
__global__ void __launch_bounds__(128, 4) lrn_backward(
    const X* __restrict__ x, const DY* __restrict__ dy, DX* __restrict__ dx, int C, Index packs, int per_group, int runs,
    float a, float beta, float k, float up, float gain, float factor) {
  lrn_backward_of<V, SIZE, ROOT, AS_IT_IS>(x, dy, dx, nullptr, C, packs, per_group, runs, a, beta, k, up, gain, factor, 0.f);
}

// The same, and the gradient of the ReLU that made x.
template <int V, int SIZE, bool ROOT, class X = float, class DY = float, class DX = float>
__global__ void __launch_bounds__(128, 4) lrn_backward_relu(
    const X* __restrict__ x, const DY* __restrict__ dy, DX* __restrict__ dx, int C, Index packs, int per_group, int runs,
    float a, float beta, float k, float up, float gain, float factor, float slope) {
  lrn_backward_of<V, SIZE, ROOT, MASKED>(x, dy, dx, nullptr, C, packs, per_group, runs, a, beta, k, up, gain, factor, slope);
}

// The same, and sums of it, for the gradient of the bias that was added before the ReLU.
template <int V, int SIZE, bool ROOT, class X = float, class DY = float, class DX = float>
__global__ void __launch_bounds__(128, 4) lrn_backward_relu_bias(
    const X* __restrict__ x, const DY* __restrict__ dy, DX* __restrict__ dx, float* __restrict__ partial, int C, Index packs,
    int per_group, int runs, float a, float beta, float k, float up, float gain, float factor, float slope) {
  lrn_backward_of<V, SIZE, ROOT, MASKED_AND_SUMMED>(
      x, dy, dx, partial, C, packs, per_group, runs, a, beta, k, up, gain, factor, slope);
}

// The same for windows too large for registers.
template <int V, bool ROOT>
__global__ void lrn_forward_wide(
    const float* __restrict__ x, float* __restrict__ y, int C, Index packs, int per_group, int half, float a, float beta, float k,
    float up, float gain) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Run group = run_of(c / per_group, per_group, 1);
    const Pack<float, V> s = scale_of<V>(x, c, packs, pack, group, half, a, k, up), own = load<V>(x, c * packs + pack);
    Pack<float, V> out;
    for (int v = 0; v < V; ++v) out.at[v] = own.at[v] * (powers<ROOT>(s.at[v], beta).power * gain);
    store<V>(y, c * packs + pack, out);
  }
}

template <int V, bool ROOT>
__global__ void lrn_backward_wide(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dx, int C, Index packs, int per_group, int half,
    float a, float beta, float k, float up, float gain, float factor) {
  const Index pack = flat_thread();
  if (pack >= packs) return;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const Run group = run_of(c / per_group, per_group, 1);
    Pack<float, V> out = all<V>(0.f), sum = out;
    for (int j = max(c - half, group.group_begin); j < min(c + half + 1, group.group_end); ++j) {
      const Pack<float, V> s = scale_of<V>(x, j, packs, pack, group, half, a, k, up);
      const Pack<float, V> value = taken<V>(x, j * packs + pack, true, up), gradient = load<V>(dy, j * packs + pack);
      for (int v = 0; v < V; ++v) {
        const Powers of = powers<ROOT>(s.at[v], beta);
        const float direct = gradient.at[v] * (of.power * gain), ratio = direct * value.at[v] * of.inverse;
        if (j == c) out.at[v] = direct;
        sum.at[v] += ratio;
      }
    }
    const Pack<float, V> own = taken<V>(x, c * packs + pack, true, up);
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
