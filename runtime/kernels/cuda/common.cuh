// What every kernel file starts with: packs of consecutive numbers that a thread loads and stores at once, and maps of flat arrays.

typedef long long Index;

template <class T, int V> struct alignas(sizeof(T) * V) Pack { T at[V]; };

// The pack that starts `pack` packs after `from`, whose address is a multiple of a pack's size.
template <int V, class T> __device__ inline Pack<T, V> load(const T* from, Index pack) {
  return reinterpret_cast<const Pack<T, V>*>(from)[pack];
}

template <int V, class T> __device__ inline void store(T* to, Index pack, const Pack<T, V>& values) {
  reinterpret_cast<Pack<T, V>*>(to)[pack] = values;
}

// A bfloat16 as it lies in memory: the upper half of a float.  In registers it is a float.
struct bf16 {
  unsigned short bits;
};
template <class T> __device__ inline T widened(T value) { return value; }
__device__ inline float widened(bf16 value) { return __uint_as_float(unsigned(value.bits) << 16); }

// Rounded to the nearest, ties to even; a NaN stays one.
__device__ inline bf16 narrowed(float value) {
  const unsigned bits = __float_as_uint(value);
  return {(unsigned short)(value != value ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}

template <class T> struct InRegisters { typedef T Type; };
template <> struct InRegisters<bf16> { typedef float Type; };

template <int V> __device__ inline Pack<float, V> load(const bf16* from, Index pack) {
  const Pack<bf16, V> held = reinterpret_cast<const Pack<bf16, V>*>(from)[pack];
  Pack<float, V> values;
  for (int v = 0; v < V; ++v) values.at[v] = widened(held.at[v]);
  return values;
}

template <int V> __device__ inline void store(bf16* to, Index pack, const Pack<float, V>& values) {
  Pack<bf16, V> held;
  for (int v = 0; v < V; ++v) held.at[v] = narrowed(values.at[v]);
  reinterpret_cast<Pack<bf16, V>*>(to)[pack] = held;
}

template <int V, class T> __device__ inline Pack<T, V> all(T value) {
  Pack<T, V> same;
  for (int v = 0; v < V; ++v) same.at[v] = value;
  return same;
}

// Python's min and max, as formulas call them: the first unless the second is less or more.
__device__ inline float smaller(float a, float b) { return b < a ? b : a; }
__device__ inline float larger(float a, float b) { return b > a ? b : a; }

__device__ inline Index flat_thread() { return Index(blockIdx.x) * blockDim.x + threadIdx.x; }

// f(in[i]...) for one pack.
template <int V, class F, class... In> __device__ inline void each_of(F f, const Pack<In, V>&... in) {
  for (int v = 0; v < V; ++v) f(in.at[v]...);
}

// y[i] = f(in[i]...) for one pack.
template <int V, class F, class T, class... In>
__device__ inline void apply(Index pack, T* y, F f, const Pack<In, V>&... in) {
  Pack<typename InRegisters<T>::Type, V> out;
  for (int v = 0; v < V; ++v) out.at[v] = f(in.at[v]...);
  store<V>(y, pack, out);
}

// y[i] = f(in[i]...) for all i in [0, size): a pack to a thread, then a thread for each number left over.  y may be an input.
template <int V, class F, class T, class... In> __device__ inline void map(Index size, T* y, F f, const In*... in) {
  const Index thread = flat_thread(), packs = size / V, left = packs * V + thread - packs;
  if (thread < packs) apply<V>(thread, y, f, load<V>(in, thread)...);
  else if (left < size) apply<1>(left, y, f, load<1>(in, left)...);
}
