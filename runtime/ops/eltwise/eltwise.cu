// What Eltwise needs beyond sums and products, on flat arrays: maxima that remember which input they are from.
#include "common.cuh"

typedef unsigned char Byte;

template <int V, class A, class B, class Y>
__device__ inline void pair(Index pack, const A* a, const B* b, Y* y, Byte* winner) {
  const Pack<float, V> left = load<V>(a, pack), right = load<V>(b, pack);
  Pack<float, V> best;
  Pack<Byte, V> won;
  for (int v = 0; v < V; ++v) {
    const bool first = left.at[v] > right.at[v];
    best.at[v] = first ? left.at[v] : right.at[v];
    won.at[v] = first ? 0 : 1;
  }
  store<V>(y, pack, best);
  store<V>(winner, pack, won);
}

// y = max(a, b); winner = 0 where a is larger, else 1.
template <int V, class A = float, class B = float, class Y = float>
__global__ void maximum_pair(const A* a, const B* b, Y* y, Byte* winner, Index size) {
  const Index thread = flat_thread(), packs = size / V, left = packs * V + thread - packs;
  if (thread < packs) pair<V>(thread, a, b, y, winner);
  else if (left < size) pair<1>(left, a, b, y, winner);
}

template <int V, class BEFORE, class X, class Y>
__device__ inline void next(
    Index pack, const BEFORE* before, const X* x, const Byte* winner_before, Y* y, Byte* winner, Byte index) {
  const Pack<float, V> old = load<V>(before, pack), values = load<V>(x, pack);
  const Pack<Byte, V> old_winner = load<V>(winner_before, pack);
  Pack<float, V> best;
  Pack<Byte, V> won;
  for (int v = 0; v < V; ++v) {
    const bool larger = values.at[v] > old.at[v];
    best.at[v] = larger ? values.at[v] : old.at[v];
    won.at[v] = larger ? index : old_winner.at[v];
  }
  store<V>(y, pack, best);
  store<V>(winner, pack, won);
}

// y = max(before, x); winner = index where x is larger than all before it.  Results may be the inputs of their kind.
template <int V, class BEFORE = float, class X = float, class Y = float>
__global__ void maximum_next(
    const BEFORE* before, const X* x, const Byte* winner_before, Y* y, Byte* winner, Index size, int index) {
  const Index thread = flat_thread(), packs = size / V, left = packs * V + thread - packs;
  if (thread < packs) next<V>(thread, before, x, winner_before, y, winner, Byte(index));
  else if (left < size) next<1>(left, before, x, winner_before, y, winner, Byte(index));
}

// dx = dy where input `index` was the largest, else 0.
template <int V, class DY = float, class DX = float>
__global__ void maximum_backward(const DY* dy, const Byte* winner, DX* dx, Index size, int index) {
  map<V>(size, dx, [=](float gradient, Byte won) { return won == index ? gradient : 0.f; }, dy, winner);
}
