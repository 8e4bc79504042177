// The multinomial logistic loss of a softmax.  Probabilities are (outer, C, packs), with a label for each (outer, packs).
#include "common.cuh"
#include "labels.cuh"
#include "reduce.cuh"

// loss = -sum(log(probability of the label)) / normalizer, labels equal to `ignore` left out; normalizer = divisor, or if that is 0
// the number of labels that count, at least 1.  One block.
template <int V>
__global__ void softmax_loss(
    const float* probability, const float* labels, float* loss, float* normalizer, Index outer, int C, Index packs, float divisor,
    float ignore) {
  constexpr int THREADS = 256;
  constexpr double TINY = 1.1754943508222875e-38;  // the smallest normal float
  double total = 0, count = 0;
  for (Index pack = threadIdx.x; pack < outer * packs; pack += THREADS) {
    const Pack<float, V> label = load<V>(labels, pack);
    const Index start = pack / packs * C * packs + pack % packs;
    for (int v = 0; v < V; ++v) {
      if (label.at[v] == ignore) continue;
      ++count;
      if (is_class(label.at[v], C)) {
        const double p = probability[(start + int(label.at[v]) * packs) * V + v];
        total -= log(p < TINY ? TINY : p);
      } else {
        total = not_a_number();
      }
    }
  }
  total = block_sum<THREADS>(total);
  count = block_sum<THREADS>(count);
  if (threadIdx.x != 0) return;
  const float by = divisor > 0 ? divisor : float(count);
  normalizer[0] = by > 1.f ? by : 1.f;
  loss[0] = float(total / normalizer[0]);
}

// dx = (probability - [this is the label]) * dloss / normalizer; 0 where the label is ignored.  dx may be the probabilities.
template <int V>
__global__ void softmax_loss_backward(
    const float* probability, const float* labels, const float* normalizer, const float* dloss, float* dx, unsigned rows, int C,
    int packs, float ignore) {
  const int pack = blockIdx.x * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  const float factor = dloss[0] / normalizer[0];
  for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
    const Index at = Index(row) * packs + pack;
    const Pack<float, V> label = load<V>(labels, Index(row / C) * packs + pack);
    Pack<float, V> value = load<V>(probability, at);
    for (int v = 0; v < V; ++v) {
      if (label.at[v] == ignore) value.at[v] = 0;
      else if (!is_class(label.at[v], C)) value.at[v] = not_a_number();
      else value.at[v] = factor * value.at[v] - (unsigned(label.at[v]) == row % C ? factor : 0.f);
    }
    store<V>(dx, at, value);
  }
}
