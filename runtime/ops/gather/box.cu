// Elements put elsewhere: boxes copied, tiles summed, images picked by number.
#include "common.cuh"
#include "labels.cuh"

// y = x at the elements of a box of five axes: extents e, strides s in x and t in y, in packs but for the last axis of single numbers.
template <int V, class X = float, class Y = float>
__global__ void copy_box(
    const X* __restrict__ x, Y* __restrict__ y, Index e0, Index e1, Index e2, Index e3, Index e4, Index s0, Index s1,
    Index s2, Index s3, Index s4, Index t0, Index t1, Index t2, Index t3, Index t4, Index from, Index to) {
  const Index thread = flat_thread();
  if (thread >= e0 * e1 * e2 * e3 * e4) return;
  const Index i4 = thread % e4, i3 = thread / e4 % e3, i2 = thread / (e4 * e3) % e2, i1 = thread / (e4 * e3 * e2) % e1;
  const Index i0 = thread / (e4 * e3 * e2 * e1);
  const Index source = from + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4;
  store<V>(y, to + i0 * t0 + i1 * t1 + i2 * t2 + i3 * t3 + i4 * t4, load<V>(x, source));
}

// dx (rows, packs) = the sum of dy (rows, tiles, packs) over the tiles, in order.
template <int V>
__global__ void sum_tiles(const float* __restrict__ dy, float* __restrict__ dx, Index rows, Index tiles, Index packs) {
  const Index thread = flat_thread();
  if (thread >= rows * packs) return;
  const Index start = thread / packs * tiles * packs + thread % packs;
  Pack<float, V> sum = load<V>(dy, start);
  for (Index tile = 1; tile < tiles; ++tile) {
    const Pack<float, V> more = load<V>(dy, start + tile * packs);
    for (int v = 0; v < V; ++v) sum.at[v] += more.at[v];
  }
  store<V>(dx, thread, sum);
}

// y (rows, packs)[row, n] = x (rows, images)[row, order[n]]; NaN for a number that is no image.
template <int V>
__global__ void take_images(
    const float* __restrict__ x, const float* __restrict__ order, float* __restrict__ y, Index rows, Index images, Index packs) {
  const Index thread = flat_thread();
  if (thread >= rows * packs) return;
  const Pack<float, V> number = load<V>(order, thread % packs);
  Pack<float, V> values;
  for (int v = 0; v < V; ++v) {
    values.at[v] = is_class(number.at[v], int(images)) ? x[thread / packs * images + int(number.at[v])] : not_a_number();
  }
  store<V>(y, thread, values);
}

// dx (rows, packs)[row, m] = the sum of dy (rows, count)[row, n] over the n with order[n] = m, in order.
template <int V>
__global__ void add_images(
    const float* __restrict__ dy, const float* __restrict__ order, float* __restrict__ dx, Index rows, Index count, Index packs) {
  const Index thread = flat_thread();
  if (thread >= rows * packs) return;
  const Index row = thread / packs, first = thread % packs * V;
  Pack<float, V> sum = all<V>(0.f);
  for (Index n = 0; n < count; ++n) {
    const Index m = Index(order[n]) - first;
    for (int v = 0; v < V; ++v) sum.at[v] += m == v ? dy[row * count + n] : 0.f;
  }
  store<V>(dx, thread, sum);
}
