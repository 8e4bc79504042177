// Functions of one element, and their derivatives from their values; on flat arrays.
#include "common.cuh"

template <int V> __global__ void sigmoid_forward(const float* x, float* y, Index size) {
  map<V>(size, y, [](float value) { return 1.f / (1.f + expf(-value)); }, x);
}

template <int V> __global__ void sigmoid_backward(const float* dy, const float* y, float* dx, Index size) {
  map<V>(size, dx, [](float gradient, float value) { return gradient * value * (1.f - value); }, dy, y);
}

template <int V> __global__ void tanh_forward(const float* x, float* y, Index size) {
  map<V>(size, y, [](float value) { return tanhf(value); }, x);
}

template <int V> __global__ void tanh_backward(const float* dy, const float* y, float* dx, Index size) {
  map<V>(size, dx, [](float gradient, float value) { return gradient * (1.f - value * value); }, dy, y);
}
