// What recurrent layers need beyond products and sums: D states of N streams at one time step, (D, packs), their gates (4 D, packs) in
// the order input, forget, output, candidate, and cont (packs), 0 where a sequence begins.
#include "common.cuh"

// What a state lets in, keeps and puts out, and the candidate for it.
struct Gates {
  float let_in, keep, put_out, candidate;

  __device__ Gates(float i, float f, float o, float g, float cont)
      : let_in(1.f / (1.f + expf(-i))), keep(cont == 0.f ? 0.f : cont / (1.f + expf(-f))), put_out(1.f / (1.f + expf(-o))),
        candidate(tanhf(g)) {}
};

// cell = keep * before + let_in * candidate; hidden = put_out * tanh(cell).
template <int V>
__global__ void lstm_unit(
    const float* __restrict__ before, const float* __restrict__ gates, const float* __restrict__ cont, float* __restrict__ cell,
    float* __restrict__ hidden, Index D, Index packs) {
  const Index thread = flat_thread(), all_states = D * packs;
  if (thread >= all_states) return;
  const Pack<float, V> c = load<V>(before, thread), more = load<V>(cont, thread % packs);
  const Pack<float, V> i = load<V>(gates, thread), f = load<V>(gates, all_states + thread);
  const Pack<float, V> o = load<V>(gates, 2 * all_states + thread), g = load<V>(gates, 3 * all_states + thread);
  Pack<float, V> now, shown;
  for (int v = 0; v < V; ++v) {
    const Gates at(i.at[v], f.at[v], o.at[v], g.at[v], more.at[v]);
    now.at[v] = at.keep * c.at[v] + at.let_in * at.candidate;
    shown.at[v] = at.put_out * tanhf(now.at[v]);
  }
  store<V>(cell, thread, now);
  store<V>(hidden, thread, shown);
}

// The gradients of `before` and `gates` from those of `cell` and `hidden`; dbefore may be dcell.
template <int V>
__global__ void lstm_unit_backward(
    const float* __restrict__ before, const float* __restrict__ gates, const float* __restrict__ cont,
    const float* __restrict__ cell, const float* dcell, const float* __restrict__ dhidden, float* dbefore,
    float* __restrict__ dgates, Index D, Index packs) {
  const Index thread = flat_thread(), all_states = D * packs;
  if (thread >= all_states) return;
  const Pack<float, V> c = load<V>(before, thread), more = load<V>(cont, thread % packs), now = load<V>(cell, thread);
  const Pack<float, V> dc = load<V>(dcell, thread), dh = load<V>(dhidden, thread);
  Pack<float, V> i = load<V>(gates, thread), f = load<V>(gates, all_states + thread);
  Pack<float, V> o = load<V>(gates, 2 * all_states + thread), g = load<V>(gates, 3 * all_states + thread), dbefore_pack;
  for (int v = 0; v < V; ++v) {
    const Gates at(i.at[v], f.at[v], o.at[v], g.at[v], more.at[v]);
    const float shown = tanhf(now.at[v]), inner = dc.at[v] + dh.at[v] * at.put_out * (1.f - shown * shown);
    dbefore_pack.at[v] = inner * at.keep;
    i.at[v] = inner * at.candidate * at.let_in * (1.f - at.let_in);
    f.at[v] = inner * c.at[v] * at.keep * (1.f - at.keep);
    o.at[v] = dh.at[v] * shown * at.put_out * (1.f - at.put_out);
    g.at[v] = inner * at.let_in * (1.f - at.candidate * at.candidate);
  }
  store<V>(dbefore, thread, dbefore_pack);
  store<V>(dgates, thread, i);
  store<V>(dgates, all_states + thread, f);
  store<V>(dgates, 2 * all_states + thread, o);
  store<V>(dgates, 3 * all_states + thread, g);
}
