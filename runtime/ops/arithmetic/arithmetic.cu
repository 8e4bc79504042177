// Copies, sums and products of flat arrays.  The result may be one of the inputs.
#include "common.cuh"

template <int V> __global__ void fill(float* y, Index size, float value) {
  map<V>(size, y, [=]() { return value; });
}

template <int V> __global__ void copy(const float* x, float* y, Index size) {
  map<V>(size, y, [](float a) { return a; }, x);
}

template <int V> __global__ void scale(const float* x, float* y, Index size, float factor) {
  map<V>(size, y, [=](float a) { return factor * a; }, x);
}

template <int V> __global__ void add(const float* a, const float* b, float* y, Index size) {
  map<V>(size, y, [](float left, float right) { return left + right; }, a, b);
}

template <int V>
__global__ void scaled_add(const float* a, const float* b, float* y, Index size, float factor_a, float factor_b) {
  map<V>(size, y, [=](float left, float right) { return factor_a * left + factor_b * right; }, a, b);
}

template <int V> __global__ void multiply(const float* a, const float* b, float* y, Index size) {
  map<V>(size, y, [](float left, float right) { return left * right; }, a, b);
}
