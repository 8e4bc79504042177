// Statistics of channels, x (C, packs), and of columns, x (outer, K, packs), and what is normalised by them.  Variances are sums
// of squared distances from a mean: the difference E[x^2] - E[x]^2 has no digits left where the mean is large.
#include "common.cuh"
#include "reduce.cuh"
#include "slices.cuh"

constexpr int FEW = 64;  // threads that add up the runs of a channel

struct Add {
  __device__ double operator()(double a, double b) const { return a + b; }
};

__device__ inline double over_block(double value) { return over_slices<SLICED>(Pack<double, 1>{{value}}, Add()).at[0]; }

// Calls f(value) for each of a run's numbers that are this thread's, packs first.
template <int V, class X, class F> __device__ inline void each_of_run(const X* x, Index size, F f) {
  for (Index pack = threadIdx.y; pack < size / V; pack += SLICED) each_of<V>(f, load<V>(x, pack));
  const Index left = size / V * V + threadIdx.y;
  if (left < size) f(widened(x[left]));
}

// partials (C, runs, 2) = the mean of each run, and the sum of squared distances from it.  A block to each run, read twice, the
// second time from a cache.
template <int V, int RUN, class X = float> __global__ void channel_moments(const X* x, double* partials, int C, Index R) {
  const Index start = Index(blockIdx.x) * RUN, size = R - start < RUN ? R - start : RUN;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const X* run = x + c * R + start;
    double total = 0, rest = 0, squares = 0;
    each_of_run<V>(run, size, [&](float value) { total += value; });
    const float about = float(over_block(total) / size);  // the mean but for rounding, which `rest` makes up for
    each_of_run<V>(run, size, [&](float value) {
      const float d = value - about;
      rest += d;
      squares += d * d;
    });
    rest = over_block(rest);
    squares = over_block(squares);
    if (threadIdx.y != 0) continue;
    double* moments = partials + 2 * (Index(c) * gridDim.x + blockIdx.x);
    moments[0] = about + rest / size;
    moments[1] = squares - rest * rest / size;
  }
}

// mean, variance and inverse = 1 / sqrt(variance + eps) of channels of `count` numbers from the moments of their runs.  A block to
// each channel.
template <int V, int RUN>
__global__ void batch_statistics(
    const double* partials, float* mean, float* variance, float* inverse, int runs, Index count, double eps) {
  const Index c = blockIdx.x, first = c * runs;
  const double shift = partials[2 * first];
  double total = 0, squares = 0;
  for (int run = threadIdx.x; run < runs; run += FEW) {
    const Pack<double, V> moments = load<V>(partials, 2 * (first + run) / V);
    const double left = double(count) - double(run) * RUN, size = left < RUN ? left : RUN, off = moments.at[0] - shift;
    total += size * off;
    squares += (V == 2 ? moments.at[V - 1] : partials[2 * (first + run) + 1]) + size * off * off;
  }
  total = block_sum<FEW>(total);
  squares = block_sum<FEW>(squares);
  if (threadIdx.x != 0) return;
  const double square = (squares - total * total / count) / count, spread = square < 0 ? 0 : square;  // NaN stays NaN
  mean[c] = float(shift + total / count);
  variance[c] = float(spread);
  inverse[c] = float(1 / sqrt(spread + eps));
}

// mean and inverse = 1 / sqrt(variance + eps) from running sums and the divisor of both; where that is 0, `unset` times them.
__global__ void global_statistics(
    const float* means, const float* variances, const float* divisor, float* mean, float* inverse, int C, double eps, float unset) {
  const int c = int(flat_thread());
  if (c >= C) return;
  const float f = divisor[0] != 0 ? 1.f / divisor[0] : unset;
  mean[c] = f * means[c];
  inverse[c] = float(1 / sqrt(double(f * variances[c]) + eps));
}

// The running sums after one more batch: next = fraction * before + weight * new; before: what is in next, or before the first batch
// of an iteration the sums at its start.  The weight of the first batch of all, before which the divisor is 0, is 1.  One block.
__global__ void running_statistics(
    const float* mean, const float* variance, const float* added, const float* means, const float* variances,
    const float* divisor, float* next_means, float* next_variances, float* next_divisor, int C, float fraction,
    float weight, float correction) {
  const bool first = added[0] == 0;
  const float before = *(first ? divisor : next_divisor), w = before == 0 ? 1.f : weight, unbiased = w * correction;
  __syncthreads();  // all have read the divisor, which may be next_divisor
  if (threadIdx.x == 0) next_divisor[0] = fraction * before + w;
  for (int c = threadIdx.x; c < C; c += blockDim.x) {
    next_means[c] = fraction * (first ? means : next_means)[c] + w * mean[c];
    next_variances[c] = fraction * (first ? variances : next_variances)[c] + unbiased * variance[c];
  }
}

// Calls f(channel, pack's position) for a thread's pack of each of its channels.
template <class F> __device__ inline void each_channel(int C, Index packs, F f) {
  const Index pack = Index(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  for (int c = blockIdx.y * blockDim.y + threadIdx.y; c < C; c += gridDim.y * blockDim.y) f(c, c * packs + pack);
}

// y = (x - mean) * inverse.  y may be x.
template <int V, class X = float, class Y = float>
__global__ void normalize_channels(const X* x, const float* mean, const float* inverse, Y* y, int C, Index packs) {
  each_channel(C, packs, [=](int c, Index at) {
    const float m = mean[c], f = inverse[c];
    apply<V>(at, y, [=](float value) { return (value - m) * f; }, load<V>(x, at));
  });
}

// dx = (dy - sums / R - y * products / R) * inverse, with a channel's sums of dy * y and of dy.
template <int V, class DY = float, class Y = float, class DX = float>
__global__ void normalize_channels_backward(
    const DY* dy, const Y* y, const float* inverse, const float* products, const float* sums, DX* dx, int C, Index packs) {
  each_channel(C, packs, [=](int c, Index at) {
    const float R = float(packs * V), f = inverse[c], m = sums[c] / R, p = products[c] / R;
    auto gradient = [=](float dy, float y) { return (dy - m - y * p) * f; };
    apply<V>(at, dx, gradient, load<V>(dy, at), load<V>(y, at));
  });
}

// y = (x - mean) * inverse * factor + bias, then if RELU what is below zero times slope, which leaves a NaN one.
template <int V, bool RELU, class X = float, class Y = float>
__global__ void normalize_scale(
    const X* x, const float* mean, const float* inverse, const float* factor, const float* bias, Y* y, int C, Index packs,
    float slope) {
  each_channel(C, packs, [=](int c, Index at) {
    const float m = mean[c], i = inverse[c], f = factor[c], b = bias[c];
    auto scaled = [=](float value) {
      const float z = (value - m) * i * f + b;
      return RELU && z < 0 ? slope * z : z;
    };
    apply<V>(at, y, scaled, load<V>(x, at));
  });
}

// y = (x - mean) * inverse * factor + bias + more, then if RELU what is below zero times slope: bits as of kernels apart.
template <int V, bool RELU, class X = float, class MORE = float, class Y = float>
__global__ void normalize_scale_add(
    const X* x, const float* mean, const float* inverse, const float* factor, const float* bias, const MORE* more, Y* y, int C,
    Index packs, float slope) {
  each_channel(C, packs, [=](int c, Index at) {
    const float m = mean[c], i = inverse[c], f = factor[c], b = bias[c];
    auto scaled = [=](float value, float other) {
      const float z = ((value - m) * i * f + b) + other;
      return RELU && z < 0 ? (slope != 0 ? slope * z : 0.f) : z;
    };
    apply<V>(at, y, scaled, load<V>(x, at), load<V>(more, at));
  });
}

// sums = what all threads of a block have of products, times inverse, and of totals.
template <int THREADS>
__device__ inline void keep_terms(double products, double total, float inverse, double* sums) {
  products = block_sum<THREADS>(products);
  total = block_sum<THREADS>(total);
  if (threadIdx.x != 0) return;
  sums[0] = products * inverse;
  sums[1] = total;
}

// partials (C, runs, 2) = sums of dy * (x - mean) * inverse and of dy over each run of a channel.  A block to each run.
template <int V, int RUN, class DY = float, class X = float>
__global__ void normalize_scale_terms(
    const DY* dy, const X* x, const float* mean, const float* inverse, double* partials, int C, Index R) {
  constexpr int THREADS = 256;
  const Index start = Index(blockIdx.x) * RUN, size = R - start < RUN ? R - start : RUN;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const float m = mean[c], i = inverse[c];
    double products = 0, total = 0;
    each<V, THREADS>(size, [&](float gradient, float value) {
      products += gradient * (value - m);
      total += gradient;
    }, dy + c * R + start, x + c * R + start);
    keep_terms<THREADS>(products, total, i, partials + 2 * (Index(c) * gridDim.x + blockIdx.x));
  }
}

// What normalize_scale_terms gives of dz, which gradient(pack's position) makes and dz keeps.  R is whole packs.
template <int V, int RUN, class X, class DZ, class F>
__device__ inline void masked_terms(
    const X* x, const float* mean, const float* inverse, DZ* dz, double* partials, int C, Index R, F gradient) {
  constexpr int THREADS = 256;
  const Index start = Index(blockIdx.x) * RUN, size = R - start < RUN ? R - start : RUN;
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const float m = mean[c], i = inverse[c];
    double products = 0, total = 0;
    for (Index pack = threadIdx.x; pack < size / V; pack += THREADS) {
      const Index at = (c * R + start) / V + pack;
      const Pack<float, V> masked = gradient(at);
      each_of<V>([&](float dz, float value) {
        products += dz * (value - m);
        total += dz;
      }, masked, load<V>(x, at));
      store<V>(dz, at, masked);
    }
    keep_terms<THREADS>(products, total, i, partials + 2 * (Index(c) * gridDim.x + blockIdx.x));
  }
}

// dz = dy, times slope where y is not above zero; and the sums of it.  dz may be dy, here and below.
template <int V, int RUN, class DY = float, class Y = float, class X = float, class DZ = float>
__global__ void normalize_scale_relu_terms(
    const DY* dy, const Y* y, const X* x, const float* mean, const float* inverse, DZ* dz, double* partials, int C, Index R,
    float slope) {
  masked_terms<V, RUN>(x, mean, inverse, dz, partials, C, R, [=](Index at) {
    Pack<float, V> masked = load<V>(dy, at);
    const Pack<float, V> sign = load<V>(y, at);
    for (int v = 0; v < V; ++v) masked.at[v] = sign.at[v] > 0 ? masked.at[v] : slope * masked.at[v];
    return masked;
  });
}

// The same with dy + more for dy.
template <int V, int RUN, class DY = float, class MORE = float, class Y = float, class X = float, class DZ = float>
__global__ void normalize_scale_add_relu_terms(
    const DY* dy, const MORE* more, const Y* y, const X* x, const float* mean, const float* inverse, DZ* dz, double* partials,
    int C, Index R, float slope) {
  masked_terms<V, RUN>(x, mean, inverse, dz, partials, C, R, [=](Index at) {
    Pack<float, V> masked = load<V>(dy, at);
    const Pack<float, V> other = load<V>(more, at), sign = load<V>(y, at);
    for (int v = 0; v < V; ++v) {
      masked.at[v] += other.at[v];
      masked.at[v] = sign.at[v] > 0 ? masked.at[v] : slope * masked.at[v];
    }
    return masked;
  });
}

// dx = (dy - sums / R - (x - mean) * inverse * products / R) * inverse * factor, with what normalize_scale_terms come to.
template <int V, class DY = float, class X = float, class DX = float>
__global__ void normalize_scale_backward(
    const DY* dy, const X* x, const float* mean, const float* inverse, const float* factor, const float* products,
    const float* sums, DX* dx, int C, Index packs) {
  each_channel(C, packs, [=](int c, Index at) {
    const float R = float(packs * V), m = mean[c], i = inverse[c], s = sums[c] / R, p = products[c] / R, f = i * factor[c];
    auto gradient = [=](float dy, float x) { return (dy - s - (x - m) * i * p) * f; };
    apply<V>(at, dx, gradient, load<V>(dy, at), load<V>(x, at));
  });
}

// One lane's column through K, every SLICES-th element of which is this thread's.
template <int V, int SLICES> struct Column {
  Index start, packs, count, K;

  __device__ Column(Index o, Index K, Index packs)
      : start(o * K * packs + flat_thread()), packs(packs), count(flat_thread() < packs ? K : 0), K(K) {}

  // Calls f(an element's position).
  template <class F> __device__ void each(F f) const {
    for (Index k = threadIdx.y; k < count; k += SLICES) f(start + k * packs);
  }

  // The means over the column of what f(an element's place) gives, known to all of its threads.
  template <class F> __device__ Pack<double, V> means(F f) const {
    Pack<double, V> total = sums(f);
    for (int v = 0; v < V; ++v) total.at[v] /= K;
    return total;
  }

  // The sums likewise.
  template <class F> __device__ Pack<double, V> sums(F f) const {
    Pack<double, V> total = all<V>(0.);
    each([&](Index at) {
      const Pack<float, V> part = f(at);
      for (int v = 0; v < V; ++v) total.at[v] += part.at[v];
    });
    return over_slices<SLICES>(total, Add());
  }
};

template <int V> __device__ inline Pack<float, V> rounded(const Pack<double, V>& values) {
  Pack<float, V> result;
  for (int v = 0; v < V; ++v) result.at[v] = float(values.at[v]);
  return result;
}

// y = x - its mean along K.  y may be x, here and below.
template <int V, int SLICES> __global__ void centre_columns(const float* x, float* y, Index outer, Index K, Index packs) {
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Column<V, SLICES> column(o, K, packs);
    const Pack<float, V> mean = rounded<V>(column.means([=](Index at) { return load<V>(x, at); }));
    column.each([=](Index at) { apply<V>(at, y, [](float value, float m) { return value - m; }, load<V>(x, at), mean); });
  }
}

// y = (x - its mean along K) * inverse, where inverse (outer, packs) = 1 / (standard deviation + eps).
template <int V, int SLICES>
__global__ void standardize_columns(
    const float* x, float* y, float* inverse, Index outer, Index K, Index packs, double eps) {
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Column<V, SLICES> column(o, K, packs);
    const Pack<float, V> mean = rounded<V>(column.means([=](Index at) { return load<V>(x, at); }));
    Pack<double, V> factor = column.means([=](Index at) {
      Pack<float, V> square = load<V>(x, at);
      for (int v = 0; v < V; ++v) square.at[v] = (square.at[v] - mean.at[v]) * (square.at[v] - mean.at[v]);
      return square;
    });
    for (int v = 0; v < V; ++v) factor.at[v] = 1 / (sqrt(factor.at[v]) + eps);
    const Pack<float, V> f = rounded<V>(factor);
    if (threadIdx.y == 0 && column.count) store<V>(inverse, o * packs + flat_thread(), f);
    auto standardized = [](float value, float m, float f) { return (value - m) * f; };
    column.each([=](Index at) { apply<V>(at, y, standardized, load<V>(x, at), mean, f); });
  }
}

// dx = (dy - mean of dy - y * mean of dy * y) * inverse (outer, packs), means along K.
template <int V, int SLICES>
__global__ void standardize_columns_backward(
    const float* dy, const float* y, const float* inverse, float* dx, Index outer, Index K, Index packs) {
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Column<V, SLICES> column(o, K, packs);
    const Pack<float, V> mean = rounded<V>(column.means([=](Index at) { return load<V>(dy, at); }));
    const Pack<float, V> slope = rounded<V>(column.means([=](Index at) {
      Pack<float, V> product = load<V>(dy, at);
      const Pack<float, V> value = load<V>(y, at);
      for (int v = 0; v < V; ++v) product.at[v] *= value.at[v];
      return product;
    }));
    const Pack<float, V> f = column.count ? load<V>(inverse, o * packs + flat_thread()) : all<V>(0.f);
    auto gradient = [](float dy, float y, float m, float s, float f) { return (dy - m - y * s) * f; };
    column.each([=](Index at) { apply<V>(at, dx, gradient, load<V>(dy, at), load<V>(y, at), mean, slope, f); });
  }
}

// y = x * inverse, where inverse (outer, packs) = 1 / sqrt(the sum of squares along K + eps).
template <int V, int SLICES>
__global__ void unit_columns(const float* x, float* y, float* inverse, Index outer, Index K, Index packs, double eps) {
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Column<V, SLICES> column(o, K, packs);
    Pack<double, V> factor = column.sums([=](Index at) {
      Pack<float, V> square = load<V>(x, at);
      for (int v = 0; v < V; ++v) square.at[v] *= square.at[v];
      return square;
    });
    for (int v = 0; v < V; ++v) factor.at[v] = 1 / sqrt(factor.at[v] + eps);
    const Pack<float, V> f = rounded<V>(factor);
    if (threadIdx.y == 0 && column.count) store<V>(inverse, o * packs + flat_thread(), f);
    column.each([=](Index at) { apply<V>(at, y, [](float value, float f) { return value * f; }, load<V>(x, at), f); });
  }
}

// dx = (dy - y * the sum of dy * y along K) * inverse (outer, packs).
template <int V, int SLICES>
__global__ void unit_columns_backward(
    const float* dy, const float* y, const float* inverse, float* dx, Index outer, Index K, Index packs) {
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    const Column<V, SLICES> column(o, K, packs);
    const Pack<float, V> slope = rounded<V>(column.sums([=](Index at) {
      Pack<float, V> product = load<V>(dy, at);
      const Pack<float, V> value = load<V>(y, at);
      for (int v = 0; v < V; ++v) product.at[v] *= value.at[v];
      return product;
    }));
    const Pack<float, V> f = column.count ? load<V>(inverse, o * packs + flat_thread()) : all<V>(0.f);
    auto gradient = [](float dy, float y, float s, float f) { return (dy - y * s) * f; };
    column.each([=](Index at) { apply<V>(at, dx, gradient, load<V>(dy, at), load<V>(y, at), slope, f); });
  }
}
