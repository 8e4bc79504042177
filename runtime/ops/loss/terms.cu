// Losses as sums of terms, and their gradients element by element.  partials (runs, 2): a sum, and how many elements count.
#include "common.cuh"
#include "labels.cuh"
#include "reduce.cuh"

constexpr int THREADS = 256;
constexpr float LEAST = 1e-20f;  // a probability counts as no less
constexpr float APART = 1e-4f;   // added to a distance that divides

// What a block's threads have added up, as this block's entry of partials.
__device__ inline void finish(double total, double count, double* partials) {
  total = block_sum<THREADS>(total);
  count = block_sum<THREADS>(count);
  if (threadIdx.x != 0) return;
  partials[2 * blockIdx.x] = total;
  partials[2 * blockIdx.x + 1] = count;
}

// loss = factor * the sum of all runs / normalizer; normalizer = divisor, or if that is 0 the elements that count, at least 1.
template <int V>
__global__ void loss_of_terms(const double* partials, float* loss, float* normalizer, Index runs, double divisor, double factor) {
  double total, count;
  sum_pairs<V, THREADS>(partials, 0, runs, total, count);
  if (threadIdx.x != 0) return;
  const double by = divisor > 0 ? divisor : count;
  normalizer[0] = float(by > 1 ? by : 1);
  loss[0] = float(factor * total / normalizer[0]);
}

// Sums of (a - b) ** 2 over runs of RUN elements.
template <int V, int RUN> __global__ void euclidean_terms(const float* a, const float* b, double* partials, Index size) {
  const Index start = Index(blockIdx.x) * RUN;
  double total = 0, count = 0;
  each<V, THREADS>(min(Index(RUN), size - start), [&](float left, float right) {
    const double d = left - right;
    total += d * d;
    ++count;
  }, a + start, b + start);
  finish(total, count, partials);
}

// dx = sign * (a - b) * dloss / normalizer.
template <int V>
__global__ void euclidean_backward(
    const float* a, const float* b, const float* dloss, const float* normalizer, float* dx, Index size, float sign) {
  const float factor = sign * dloss[0] / normalizer[0];
  map<V>(size, dx, [=](float left, float right) { return factor * (left - right); }, a, b);
}

// Sums of the cross entropy of targets t and the logistic function of scores x.
template <int V, int RUN>
__global__ void sigmoid_cross_entropy_terms(const float* x, const float* t, double* partials, Index size, float ignore) {
  const Index start = Index(blockIdx.x) * RUN;
  double total = 0, count = 0;
  each<V, THREADS>(min(Index(RUN), size - start), [&](float score, float target) {
    if (target == ignore) return;
    const double v = score, above = v >= 0 ? 1. : 0.;
    total -= v * (target - above) - log1p(exp(v - 2 * v * above));
    ++count;
  }, x + start, t + start);
  finish(total, count, partials);
}

template <int V>
__global__ void sigmoid_cross_entropy_backward(
    const float* x, const float* t, const float* dloss, const float* normalizer, float* dx, Index size, float ignore) {
  const float factor = dloss[0] / normalizer[0];
  map<V>(size, dx, [=](float score, float target) {
    return target == ignore ? 0.f : factor * (1.f / (1.f + expf(-score)) - target);
  }, x, t);
}

// max(0, 1 - t * score).
__device__ inline float hinge(float score, bool own) {
  const float term = 1.f + (own ? -score : score);
  return term < 0 ? 0.f : term;
}

// Scores (C, packs), a label for each column; runs of RUN scores.
template <int V, int RUN, bool SQUARE>
__global__ void hinge_terms(const float* scores, const float* labels, double* partials, int C, Index packs) {
  const Index start = Index(blockIdx.x) * (RUN / V), end = min(start + RUN / V, C * packs);
  double total = 0;
  for (Index pack = start + threadIdx.x; pack < end; pack += THREADS) {
    const Pack<float, V> score = load<V>(scores, pack), label = load<V>(labels, pack % packs);
    for (int v = 0; v < V; ++v) {
      const double term = hinge(score.at[v], label.at[v] == float(pack / packs));
      total += is_class(label.at[v], C) ? (SQUARE ? term * term : term) : not_a_number();
    }
  }
  finish(total, 0, partials);
  if (threadIdx.x == 0) partials[2 * blockIdx.x + 1] = double(packs * V);
}

template <int V, bool SQUARE>
__global__ void hinge_backward(
    const float* scores, const float* labels, const float* dloss, const float* normalizer, float* dx, int C, Index packs) {
  const Index pack = flat_thread();
  if (pack >= C * packs) return;
  const float factor = dloss[0] / normalizer[0];
  Pack<float, V> value = load<V>(scores, pack);
  const Pack<float, V> label = load<V>(labels, pack % packs);
  for (int v = 0; v < V; ++v) {
    const bool own = label.at[v] == float(pack / packs);
    const float term = hinge(value.at[v], own), slope = SQUARE ? term + term : term > 0 ? 1.f : term;
    value.at[v] = is_class(label.at[v], C) ? factor * (own ? -slope : slope) : not_a_number();
  }
  store<V>(dx, pack, value);
}

__device__ inline float at_least(float chance) { return chance > LEAST ? chance : chance <= LEAST ? LEAST : chance; }

// Sums of -log(probability of the label) over probabilities (C, packs); a block to LABELS labels.
template <int V, int LABELS>
__global__ void likelihood_terms(const float* probabilities, const float* labels, double* partials, int C, Index packs) {
  const Index start = Index(blockIdx.x) * (LABELS / V), end = min(start + LABELS / V, packs);
  double total = 0, count = 0;
  for (Index pack = start + threadIdx.x; pack < end; pack += THREADS) {
    const Pack<float, V> label = load<V>(labels, pack);
    for (int v = 0; v < V; ++v) {
      const bool known = is_class(label.at[v], C);
      total -= known ? log(double(at_least(probabilities[(Index(label.at[v]) * packs + pack) * V + v]))) : not_a_number();
      ++count;
    }
  }
  finish(total, count, partials);
}

template <int V>
__global__ void likelihood_backward(
    const float* probabilities, const float* labels, const float* dloss, const float* normalizer, float* dx, int C, Index packs) {
  const Index pack = flat_thread();
  if (pack >= C * packs) return;
  const float factor = -dloss[0] / normalizer[0];
  Pack<float, V> value = load<V>(probabilities, pack);
  const Pack<float, V> label = load<V>(labels, pack % packs);
  for (int v = 0; v < V; ++v) {
    const bool own = label.at[v] == float(pack / packs);
    value.at[v] = !is_class(label.at[v], C) ? not_a_number() : own ? factor / at_least(value.at[v]) : 0.f;
  }
  store<V>(dx, pack, value);
}

// Sums of -sum over k of matrix[label, k] * log(probability of k) over probabilities (outer, C, packs); a block to LABELS labels.
template <int V, int LABELS>
__global__ void infogain_terms(
    const float* probabilities, const float* labels, const float* matrix, double* partials, Index outer, int C, Index packs,
    float ignore) {
  const Index start = Index(blockIdx.x) * (LABELS / V), end = min(start + LABELS / V, outer * packs);
  double total = 0, count = 0;
  for (Index pack = start + threadIdx.x; pack < end; pack += THREADS) {
    const Pack<float, V> label = load<V>(labels, pack);
    const Index first = pack / packs * C * packs + pack % packs;
    for (int v = 0; v < V; ++v) {
      if (label.at[v] == ignore) continue;
      ++count;
      if (!is_class(label.at[v], C)) {
        total = not_a_number();
        continue;
      }
      const float* row = matrix + Index(label.at[v]) * C;
      for (int k = 0; k < C; ++k) total -= row[k] * log(double(at_least(probabilities[(first + k * packs) * V + v])));
    }
  }
  finish(total, count, partials);
}

template <int V>
__global__ void infogain_backward(
    const float* probabilities, const float* labels, const float* matrix, const float* dloss, const float* normalizer, float* dx,
    Index rows, int C, Index packs, float ignore) {
  const Index thread = flat_thread();
  if (thread >= rows * packs) return;
  const Index row = thread / packs;
  const int c = int(row % C);
  const float factor = dloss[0] / normalizer[0];
  const Pack<float, V> label = load<V>(labels, row / C * packs + thread % packs);
  Pack<float, V> value = load<V>(probabilities, thread);
  for (int v = 0; v < V; ++v) {
    if (label.at[v] == ignore) {
      value.at[v] = 0;
    } else if (!is_class(label.at[v], C)) {
      value.at[v] = not_a_number();
    } else {
      const float* own = matrix + Index(label.at[v]) * C;
      float sum = 0;
      for (int k = 0; k < C; ++k) sum += own[k];
      value.at[v] = factor * (value.at[v] * sum - own[c]);
    }
  }
  store<V>(dx, thread, value);
}

// squares = |a - b| ** 2 of a, b (C, packs); sums over the pairs; a block to LABELS pairs.
template <int V, int LABELS, bool LEGACY>
__global__ void contrastive_terms(
    const float* a, const float* b, const float* alike, double* partials, float* squares, int C, Index packs, float margin) {
  const Index start = Index(blockIdx.x) * (LABELS / V), end = min(start + LABELS / V, packs);
  double total = 0, count = 0;
  for (Index pack = start + threadIdx.x; pack < end; pack += THREADS) {
    Pack<float, V> square = all<V>(0.f);
    for (int c = 0; c < C; ++c) {
      const Pack<float, V> left = load<V>(a, c * packs + pack), right = load<V>(b, c * packs + pack);
      for (int v = 0; v < V; ++v) square.at[v] += (left.at[v] - right.at[v]) * (left.at[v] - right.at[v]);
    }
    store<V>(squares, pack, square);
    const Pack<float, V> same = load<V>(alike, pack);
    for (int v = 0; v < V; ++v) {
      const float gap = margin - (LEGACY ? square.at[v] : sqrtf(square.at[v])), open = gap < 0 ? 0.f : gap;
      total += same.at[v] != 0 ? square.at[v] : LEGACY ? open : open * open;
      ++count;
    }
  }
  finish(total, count, partials);
}

template <int V, bool LEGACY>
__global__ void contrastive_backward(
    const float* a, const float* b, const float* alike, const float* squares, const float* dloss, const float* normalizer,
    float* dx, int C, Index packs, float margin, float sign) {
  const Index thread = flat_thread();
  if (thread >= C * packs) return;
  const float factor = sign * dloss[0] / normalizer[0];
  const Pack<float, V> left = load<V>(a, thread), right = load<V>(b, thread);
  const Pack<float, V> same = load<V>(alike, thread % packs), square = load<V>(squares, thread % packs);
  Pack<float, V> out;
  for (int v = 0; v < V; ++v) {
    const float d = left.at[v] - right.at[v], distance = LEGACY ? square.at[v] : sqrtf(square.at[v]), gap = margin - distance;
    const float push = LEGACY ? -factor * d : -factor * gap / (distance + APART) * d;
    out.at[v] = same.at[v] != 0 ? factor * d : gap <= 0 ? 0.f : push;
  }
  store<V>(dx, thread, out);
}
