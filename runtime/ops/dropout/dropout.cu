// Dropout (Hinton et al. 2012), forward and backward alike: the mask is drawn again, not kept.
#include "common.cuh"
#include "philox.cuh"

struct Draw {
  unsigned key0, key1, threshold;
  float factor;

  // What the element is multiplied by that draws this word.
  __device__ float operator()(unsigned word) const { return word >> 8 >= threshold ? factor : 0.f; }
  // The words of elements 4 * group to 4 * group + 3.
  __device__ Pack<unsigned, 4> words(Index group, Index iteration) const {
    return philox(unsigned(group), unsigned(group >> 32), unsigned(iteration), DROPOUT_STREAM, key0, key1);
  }
};

// y = x times what each element draws, for the four from `start` on, or those that there are.
template <int V, class X, class Y>
__device__ inline void drop(const X* x, Y* y, Index start, Index size, const Pack<unsigned, 4>& words, const Draw& draw) {
  if (V == 4 && start + 4 <= size) {
    Pack<float, 4> values = load<4>(x, start / 4);
    for (int i = 0; i < 4; ++i) values.at[i] *= draw(words.at[i]);
    store<4>(y, start / 4, values);
  } else {
    for (int i = 0; i < 4; ++i) {
      if (start + i < size) store<1>(y, start + i, all<1>(widened(x[start + i]) * draw(words.at[i])));
    }
  }
}

// y = factor * x where the element's random number is at least threshold / 2 ** 24, else 0.  Flat; y may be x.  Four to a thread.
template <int V, class X = float, class Y = float>
__global__ void dropout(
    const X* x, const Index* iteration, Y* y, Index size, unsigned key0, unsigned key1, unsigned threshold, float factor) {
  const Draw draw = {key0, key1, threshold, factor};
  const Index group = flat_thread();
  if (4 * group < size) drop<V>(x, y, 4 * group, size, draw.words(group, iteration[0]), draw);
}

// The same for a region of a blob: element e is number first + e / width * pitch + e % width of the blob's.  Four to a thread where
// V is 4, which asks that they start at a number that four divides.
template <int V>
__global__ void dropout_region(
    const float* x, const Index* iteration, float* y, Index size, unsigned key0, unsigned key1, unsigned threshold, float factor,
    Index first, Index width, Index pitch) {
  const Draw draw = {key0, key1, threshold, factor};
  const Index start = V * flat_thread();
  if (start >= size) return;
  const Index number = first + start / width * pitch + start % width;
  const Pack<unsigned, 4> words = draw.words(number / 4, iteration[0]);
  if (V == 4) {
    drop<V>(x, y, start, size, words, draw);
  } else {
    const int word = number % 4;
    const unsigned low = word == 0 ? words.at[0] : words.at[1], high = word == 2 ? words.at[2] : words.at[3];
    y[start] = x[start] * draw(word < 2 ? low : high);
  }
}
