// Sums along the middle axis of (outer, K, packs), and their gradients.
#include "common.cuh"
#include "slices.cuh"

enum Operation { SUM, MAGNITUDES, SQUARES };

struct Add {
  __device__ double operator()(double a, double b) const { return a + b; }
};

// y (outer, packs) = factor * the sum of x, |x| or x ^ 2 over K.
template <int V, int SLICES, int OPERATION>
__global__ void reduce_columns(const float* x, float* y, Index outer, Index K, Index packs, double factor) {
  const Index pack = flat_thread(), count = pack < packs ? K : 0;  // threads beside the array stay for the barriers
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    Pack<double, V> total = all<V>(0.);
    for (Index k = threadIdx.y; k < count; k += SLICES) {
      const Pack<float, V> value = load<V>(x, (o * K + k) * packs + pack);
      for (int v = 0; v < V; ++v) {
        const float f = value.at[v];
        total.at[v] += OPERATION == SUM ? f : OPERATION == MAGNITUDES ? fabsf(f) : f * f;
      }
    }
    total = over_slices<SLICES>(total, Add());
    if (threadIdx.y != 0 || pack >= packs) continue;
    apply<V>(o * packs + pack, y, [=](double sum) { return float(factor * sum); }, total);
  }
}

// y (outer, packs) = the sum of a * b over K.
template <int V, int SLICES>
__global__ void product_columns(const float* a, const float* b, float* y, Index outer, Index K, Index packs) {
  const Index pack = flat_thread(), count = pack < packs ? K : 0;
  for (Index o = blockIdx.y; o < outer; o += gridDim.y) {
    Pack<double, V> total = all<V>(0.);
    for (Index k = threadIdx.y; k < count; k += SLICES) {
      const Index at = (o * K + k) * packs + pack;
      const Pack<float, V> left = load<V>(a, at), right = load<V>(b, at);
      for (int v = 0; v < V; ++v) total.at[v] += left.at[v] * right.at[v];
    }
    total = over_slices<SLICES>(total, Add());
    if (threadIdx.y != 0 || pack >= packs) continue;
    apply<V>(o * packs + pack, y, [](double sum) { return float(sum); }, total);
  }
}

// Calls f(a row's number among dy's, a pack's position) for a thread's pack of each of its rows, of which K have one of dy's.
template <class F> __device__ inline void each_row(Index rows, Index K, Index packs, F f) {
  const Index pack = Index(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  for (Index row = Index(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += Index(gridDim.y) * blockDim.y) {
    f(row / K * packs + pack, row * packs + pack);
  }
}

// dx (rows, packs) = factor * dy (rows / K, packs).
template <int V> __global__ void spread_columns(const float* dy, float* dx, Index rows, Index K, Index packs, float factor) {
  each_row(rows, K, packs, [=](Index column, Index at) {
    apply<V>(at, dx, [=](float gradient) { return factor * gradient; }, load<V>(dy, column));
  });
}

// dx (rows, packs) = factor * dy (rows / K, packs) * x, or the sign of x.
template <int V, bool SIGN>
__global__ void spread_columns_by(
    const float* x, const float* dy, float* dx, Index rows, Index K, Index packs, float factor) {
  each_row(rows, K, packs, [=](Index column, Index at) {
    auto term = [=](float value, float gradient) {
      return factor * gradient * (SIGN ? (value > 0 ? 1.f : value < 0 ? -1.f : value) : value);
    };
    apply<V>(at, dx, term, load<V>(x, at), load<V>(dy, column));
  });
}
