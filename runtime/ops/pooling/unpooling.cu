// Values put back where a maximum was found, of x (C, HW, N) in y (C, area, N): positions count in a channel of y, -1 is no element.
#include "common.cuh"
#include "labels.cuh"

// y = 0.
template <int V> __global__ void unpool_clear(float* y, Index size) {
  const Index thread = flat_thread(), packs = size / V, left = packs * V + thread - packs;
  if (thread < packs) store<V>(y, thread, all<V>(0.f));
  else if (left < size) y[left] = 0.f;
}

// y = x at the positions, no two of which are the same in a channel of an image.
__global__ void unpool_scatter(const float* x, const float* positions, float* y, Index size, Index HW, Index area, Index N) {
  const Index thread = flat_thread();
  if (thread >= size) return;
  const float position = positions[thread];
  const Index channel = thread / (HW * N), n = thread % N;
  if (position >= 0 && position < area) y[(channel * area + Index(position)) * N + n] = x[thread];
}

// The same in order, so that of several of one position the last stays; a thread is a channel of an image.  A position that lies
// outside makes the whole channel NaN.
__global__ void unpool_in_order(const float* x, const float* positions, float* y, Index columns, Index HW, Index area, Index N) {
  const Index thread = flat_thread();
  if (thread >= columns) return;
  const Index channel = thread / N, n = thread % N;
  bool valid = true;
  for (Index i = 0; i < HW; ++i) {
    const Index at = (channel * HW + i) * N + n;
    const float position = positions[at];
    if (!(position >= -1 && position < area)) valid = false;
    else if (position >= 0) y[(channel * area + Index(position)) * N + n] = x[at];
  }
  for (Index i = 0; i < area && !valid; ++i) y[(channel * area + i) * N + n] = not_a_number();
}

// dx = dy at the positions.
__global__ void unpool_backward(const float* dy, const float* positions, float* dx, Index size, Index HW, Index area, Index N) {
  const Index thread = flat_thread();
  if (thread >= size) return;
  const float position = positions[thread];
  const Index channel = thread / (HW * N), n = thread % N;
  const bool valid = position >= -1 && position < area;
  dx[thread] = !valid ? not_a_number() : position < 0 ? 0.f : dy[(channel * area + Index(position)) * N + n];
}
