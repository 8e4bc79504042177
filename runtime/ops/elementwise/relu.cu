// ReLU with a slope below zero, on flat arrays.  The result may be one of the inputs.
#include "common.cuh"

// A NaN stays one.
template <int V> __global__ void relu_forward(const float* x, float* y, Index size, float slope) {
  map<V>(size, y, [=](float value) { return value < 0 ? (slope == 0 ? 0.f : slope * value) : value; }, x);
}

template <int V> __global__ void relu_backward(const float* dy, const float* sign, float* dx, Index size, float slope) {
  map<V>(size, dx, [=](float gradient, float value) { return value > 0 ? gradient : slope * gradient; }, dy, sign);
}
