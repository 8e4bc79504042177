// Dropout (Hinton et al. 2012), forward and backward alike: the mask is drawn again, not kept.
#include "common.cuh"
#include "philox.cuh"

// y = factor * x where the element's random number is at least threshold / 2 ** 24, else 0.  Flat; y may be x.  Four to a thread.
template <int V>
__global__ void dropout(
    const float* x, const Index* iteration, float* y, Index size, unsigned key0, unsigned key1, unsigned threshold, float factor) {
  const Index group = flat_thread(), start = 4 * group;
  if (start >= size) return;
  const Pack<unsigned, 4> words =
      philox(unsigned(group), unsigned(group >> 32), unsigned(iteration[0]), DROPOUT_STREAM, key0, key1);
  if (V == 4 && start + 4 <= size) {
    Pack<float, 4> values = load<4>(x, group);
    for (int i = 0; i < 4; ++i) values.at[i] *= words.at[i] >> 8 >= threshold ? factor : 0.f;
    store<4>(y, group, values);
  } else {
    for (int i = 0; i < 4; ++i) {
      if (start + i < size) y[start + i] = x[start + i] * (words.at[i] >> 8 >= threshold ? factor : 0.f);
    }
  }
}
