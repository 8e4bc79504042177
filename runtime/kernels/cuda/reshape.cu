// A batch cut anew.
#include "common.cuh"

// x (old, old_images) -> y (fresh, images): the same numbers in the order that users see, batch first, cut into `images` images.
__global__ void rebatch(
    const float* __restrict__ x, float* __restrict__ y, Index size, Index old, Index old_images, Index fresh, Index images) {
  const Index thread = flat_thread();
  if (thread >= size) return;
  const Index at = thread % images * fresh + thread / images;
  y[thread] = x[at % old * old_images + at / old];
}
