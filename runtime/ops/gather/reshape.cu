// A batch cut anew.
#include "common.cuh"

// x (old, old_images) -> y (fresh, packs): the same numbers in the order that users see, batch first, cut into packs * V images.
template <int V>
__global__ void rebatch(
    const float* __restrict__ x, float* __restrict__ y, Index old, Index old_images, Index fresh, Index packs) {
  const Index thread = flat_thread();
  if (thread >= fresh * packs) return;
  Pack<float, V> values;
  for (int v = 0; v < V; ++v) {
    const Index at = (thread % packs * V + v) * fresh + thread / packs;
    values.at[v] = x[at % old * old_images + at / old];
  }
  store<V>(y, thread, values);
}
