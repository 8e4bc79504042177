// Factors, biases and slopes by rows of (A, D, packs), a number for each of D, or by columns of (D, R, packs), a pack for each of D
// and of packs; and the sums over runs of rows that are their gradients.
#include "common.cuh"
#include "reduce.cuh"

constexpr int THREADS = 256;
constexpr int FEW = 64;  // threads that add up the runs of a row

// Calls f(row, pack's position) for a thread's pack of each of its rows.
template <class F> __device__ inline void each_row(Index rows, Index packs, F f) {
  const Index pack = Index(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  for (Index row = Index(blockIdx.y) * blockDim.y + threadIdx.y; row < rows; row += Index(gridDim.y) * blockDim.y) {
    f(row, row * packs + pack);
  }
}

// y = x * factor (D,).  y may be x, here and below.
template <int V, class X = float, class Y = float>
__global__ void scale_rows(const X* x, const float* factor, Y* y, int D, Index rows, Index packs) {
  each_row(rows, packs, [=](Index row, Index at) {
    const float f = factor[row % D];
    apply<V>(at, y, [=](float value) { return value * f; }, load<V>(x, at));
  });
}

// y = x + bias (D,).
template <int V, class X = float, class Y = float>
__global__ void add_rows(const X* x, const float* bias, Y* y, int D, Index rows, Index packs) {
  each_row(rows, packs, [=](Index row, Index at) {
    const float b = bias[row % D];
    apply<V>(at, y, [=](float value) { return value + b; }, load<V>(x, at));
  });
}

// y = x * factor (D,) + bias (D,).
template <int V, class X = float, class Y = float>
__global__ void scale_add_rows(const X* x, const float* factor, const float* bias, Y* y, int D, Index rows, Index packs) {
  each_row(rows, packs, [=](Index row, Index at) {
    const float f = factor[row % D], b = bias[row % D];
    apply<V>(at, y, [=](float value) { return value * f + b; }, load<V>(x, at));
  });
}

// y (rows, packs) = x * factor (rows / R, packs).
template <int V> __global__ void scale_columns(const float* x, const float* factor, float* y, int R, Index rows, Index packs) {
  each_row(rows, packs, [=](Index row, Index at) {
    const Index column = at - row * packs + row / R * packs;
    apply<V>(at, y, [](float value, float f) { return value * f; }, load<V>(x, at), load<V>(factor, column));
  });
}

// y (rows, packs) = x + bias (rows / R, packs).
template <int V> __global__ void add_columns(const float* x, const float* bias, float* y, int R, Index rows, Index packs) {
  each_row(rows, packs, [=](Index row, Index at) {
    const Index column = at - row * packs + row / R * packs;
    apply<V>(at, y, [](float value, float b) { return value + b; }, load<V>(x, at), load<V>(bias, column));
  });
}

// y = x where x > 0, else slope (rows,) * x.
template <int V, class X = float, class Y = float>
__global__ void prelu_forward(const X* x, const float* slope, Y* y, Index rows, Index packs) {
  each_row(rows, packs, [=](Index row, Index at) {
    const float s = slope[row];
    apply<V>(at, y, [=](float value) { return value > 0 ? value : s * value; }, load<V>(x, at));
  });
}

// dx = dy where x > 0, else slope (rows,) * dy.
template <int V, class X = float, class DY = float, class DX = float>
__global__ void prelu_backward(const X* x, const DY* dy, const float* slope, DX* dx, Index rows, Index packs) {
  each_row(rows, packs, [=](Index row, Index at) {
    const float s = slope[row];
    auto gradient = [=](float value, float dy) { return value > 0 ? dy : s * dy; };
    apply<V>(at, dx, gradient, load<V>(x, at), load<V>(dy, at));
  });
}

// partials (D, runs, 2) = the sums of dy * x and of dy over each run of a row, which lies in A segments of R numbers; if NEGATIVE,
// of x only what is not above 0, and no sum of dy.  A block to each run.
template <int V, int RUN, bool NEGATIVE, class DY = float, class X = float>
__global__ void product_terms(const DY* dy, const X* x, double* partials, Index A, int D, Index R) {
  const Index pieces = (R + RUN - 1) / RUN, group = RUN / R > 1 ? RUN / R : 1, runs = gridDim.x;
  const Index first = blockIdx.x / pieces * group, last = first + group < A ? first + group : A;
  const Index start = blockIdx.x % pieces * RUN, size = R - start < RUN ? R - start : RUN;
  for (int d = blockIdx.y; d < D; d += gridDim.y) {
    double products = 0, total = 0;
    for (Index a = first; a < last; ++a) {
      const Index at = (a * D + d) * R + start;
      each<V, THREADS>(size, [&](float gradient, float value) {
        products += gradient * (NEGATIVE && value > 0 ? 0.f : value);
        if (!NEGATIVE) total += gradient;
      }, dy + at, x + at);
    }
    products = block_sum<THREADS>(products);
    total = block_sum<THREADS>(total);
    if (threadIdx.x != 0) continue;
    partials[2 * (d * runs + blockIdx.x)] = products;
    partials[2 * (d * runs + blockIdx.x) + 1] = total;
  }
}

// products (D,), sums (D,) = what the runs of each row come to.  A block to each row.
template <int V> __global__ void sums_of_terms(const double* partials, float* products, float* sums, int runs) {
  const Index row = blockIdx.x;
  double product, total;
  sum_pairs<V, FEW>(partials, row * runs, (row + 1) * runs, product, total);
  if (threadIdx.x != 0) return;
  products[row] = float(product);
  sums[row] = float(total);
}
