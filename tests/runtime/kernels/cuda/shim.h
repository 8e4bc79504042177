// CUDA's built-ins for kernels compiled as plain C++: launches as loops over blocks and threads, in any order.
//
// Each thread of a block is a fiber, so that __syncthreads lets every other thread come this far before anyone goes on.  The order in
// which blocks run, and threads between two barriers, is drawn from a seed.  What the hardware would not forgive is an error: a barrier
// that some threads of a block never reach, or at which they stand in different places.
#include <link.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define __global__
#define __launch_bounds__(...)
#define __device__
#ifdef TRACED  // see trace.h
#define UNTRACED __attribute__((no_sanitize("thread")))
#else
#define UNTRACED
#endif
#define EXPORTED extern "C" __attribute__((visibility("default")))
#ifdef SANITIZED
extern "C" void __asan_unpoison_memory_region(const volatile void*, size_t);
#endif

// Shared memory is rubbish when a block starts.  It is this library's thread-local memory, which holds nothing else, so that it can be
// found as a whole; hidden, lest libraries that hold the same template share it.  Under a sanitizer it is left as it was: only so are
// its bounds watched.
struct SharedMemory {
  char* begin;
  size_t size;
};
#ifdef SANITIZED
#define __shared__ static
static inline SharedMemory shared_memory() { return {nullptr, 0}; }
#else
#define __shared__ static thread_local
struct ThreadLocal {
  unsigned long module, offset;
};
extern "C" void* __tls_get_addr(ThreadLocal*);

static int find_shared_memory(dl_phdr_info* library, size_t, void* found) {
  const char* mine = (const char*)&find_shared_memory;
  SharedMemory memory = {nullptr, 0};
  bool here = false;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const auto& part = library->dlpi_phdr[i];
    const char* start = (const char*)library->dlpi_addr + part.p_vaddr;
    here |= part.p_type == PT_LOAD && mine >= start && mine < start + part.p_memsz;
    ThreadLocal whole = {library->dlpi_tls_modid, 0};
    if (part.p_type == PT_TLS && here) memory = {(char*)__tls_get_addr(&whole), part.p_memsz};
  }
  if (here) *(SharedMemory*)found = memory;
  return here;
}

static inline SharedMemory shared_memory() {
  SharedMemory found = {nullptr, 0};
  dl_iterate_phdr(find_shared_memory, &found);
  return found;
}
#endif

struct Extent {
  unsigned x, y, z;
};
static Extent gridDim, blockDim, blockIdx, threadIdx;

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline long long min(long long a, long long b) { return a < b ? a : b; }
static inline long long max(long long a, long long b) { return a > b ? a : b; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float rsqrtf(float x) { return 1.f / sqrtf(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }
static inline float __int_as_float(int bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static inline float __uint_as_float(unsigned bits) { return __int_as_float(int(bits)); }
static inline unsigned __float_as_uint(float value) {
  unsigned bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

UNTRACED static void spoil(const SharedMemory& memory) {
  if (memory.size) memset(memory.begin, 0xff, memory.size);
}

namespace shim {

struct Fiber {
  ucontext_t context;
  jmp_buf here;
  void* point[5];  // `here` of the compiler's own jumps
  void* stack;
  int waits;  // the number of the barrier it stands at, counted from 1, times 2 ** 16, plus its line; 0 before the first
  bool done;
  bool fresh;    // it was never entered
  bool meeting;  // it waits for the other lanes of its warp
};

constexpr unsigned long long STACK = 1 << 16;
static Fiber fibers[1024];
static ucontext_t scheduler;
static jmp_buf scheduler_here;
static void* scheduler_point[5];
static Fiber* running;        // nullptr: threads of this block run as plain calls
static void (*thread_body)();
static bool barriers_seen;
static char failure[200];
static bool edge;             // run only the last block of each row of the grid
static unsigned phase;        // barriers that the running block has passed

// To a fiber and back.  Jumps are several times faster than swapcontext, which calls the system.  AddressSanitizer takes the library's
// jumps for the end of all frames on the way; those of the compiler, in functions that it leaves alone, it does not see.
#ifdef SANITIZED
#define UNWATCHED __attribute__((noinline, no_sanitize("address"), no_sanitize("undefined")))
static UNWATCHED void enter(Fiber& fiber, bool first) {
  if (__builtin_setjmp(scheduler_point)) return;
  if (first) setcontext(&fiber.context);
  __builtin_longjmp(fiber.point, 1);
}
static UNWATCHED void leave(Fiber& fiber) {
  if (!__builtin_setjmp(fiber.point)) __builtin_longjmp(scheduler_point, 1);
}
#else
static inline void enter(Fiber& fiber, bool first) {
  if (_setjmp(scheduler_here)) return;
  if (first) setcontext(&fiber.context);
  _longjmp(fiber.here, 1);
}
static inline void leave(Fiber& fiber) {
  if (!_setjmp(fiber.here)) _longjmp(scheduler_here, 1);
}
#endif

static inline void barrier(int line) {
  if (!running) {  // the first block of this launch met no barrier
    snprintf(failure, sizeof failure, "blocks differ in whether they reach the barrier at line %d", line);
    return;
  }
  barriers_seen = true;
  running->waits = ((running->waits >> 16) + 1) * (1 << 16) + line;
  leave(*running);
}

// Where all lanes of a warp come together; each has left what `exchange` has of it before, and reads the others' after.
constexpr unsigned LANES = 32;
struct Fragments {
  unsigned a[4], b[2];
};
static Fragments exchange[2][1024];  // by turns: a lane can be ahead of another one by one meeting at most
static unsigned turns[1024], met[1024 / LANES];

UNTRACED static inline const Fragments* meet(unsigned thread, const unsigned* a, const unsigned* b) {
  Fragments* mine = exchange[turns[thread]++ % 2];
  for (int i = 0; i < 4; ++i) mine[thread].a[i] = a[i];
  for (int i = 0; i < 2; ++i) mine[thread].b[i] = b[i];
  const unsigned warp = thread / LANES;
  barriers_seen = true;
  if (!running) {
    snprintf(failure, sizeof failure, "the first block of this launch met no barrier, a later one waits for a warp");
  } else if (++met[warp] < LANES) {
    running->meeting = true;
    leave(*running);
  } else {  // the last lane; the others may go on
    met[warp] = 0;
    for (unsigned lane = 0; lane < LANES; ++lane) fibers[warp * LANES + lane].meeting = false;
  }
  return mine + warp * LANES;
}

// One thread of the launches to come, block after block: making a context anew costs more than most threads' work.
static inline void fiber_body() {
  for (;;) {
    thread_body();
    running->done = true;
    leave(*running);
  }
}

// A permutation of [0, count) from a seed; 0: backwards, an order that is easily forgotten.
struct Order {
  unsigned count, step, start;

  Order(unsigned count, unsigned long long seed) : count(count) {
    unsigned long long state = seed * 6364136223846793005ull + 1442695040888963407ull;
    step = seed ? unsigned((state >> 33) % count) : count - 1;
    start = seed ? unsigned((state >> 20) % count) : count - 1;
    while (count > 1 && common(step, count) != 1) step = step + 1 < count ? step + 1 : 1;
  }
  static unsigned common(unsigned a, unsigned b) { return b ? common(b, a % b) : a; }
  unsigned operator[](unsigned i) const { return unsigned((start + (unsigned long long)i * step) % count); }
};

static inline void place(Extent& at, const Extent& within, unsigned flat) {
  at.x = flat % within.x;
  at.y = flat / within.x % within.y;
  at.z = flat / within.x / within.y;
}

// Prepares a thread; false: its fiber stands at the end of an earlier one.
static inline bool start(Fiber& fiber) {
  const bool ended = fiber.done;
  fiber.waits = 0;
  fiber.done = fiber.meeting = false;
  if (ended) return false;
  if (!fiber.stack) fiber.stack = malloc(STACK);
#ifdef SANITIZED
  __asan_unpoison_memory_region(fiber.stack, STACK);  // frames that a launch with an error left
#endif
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = &scheduler;
  makecontext(&fiber.context, fiber_body, 0);
  return true;
}

// One block's threads, from barrier to barrier.
static inline void run_fibers(unsigned threads, unsigned long long seed) {
  for (unsigned t = 0; t < threads; ++t) fibers[t].fresh = start(fibers[t]);
  memset(turns, 0, sizeof turns);
  memset(met, 0, sizeof met);
  phase = 0;
  for (unsigned left = threads; left && !failure[0]; ++phase) {
    const Order order(threads, seed ? seed + phase : 0);
    const unsigned before = left;
    unsigned coming = left;  // threads that are not at the barrier yet
    for (bool moved = true; coming && moved;) {
      moved = false;
      for (unsigned i = 0; i < threads; ++i) {
        const unsigned t = order[i];
        if (fibers[t].done || fibers[t].meeting || unsigned(fibers[t].waits) >> 16 > phase) continue;
        running = &fibers[t];
        place(threadIdx, blockDim, t);
        enter(*running, running->fresh);
        running->fresh = false;
        left -= running->done;
        coming -= running->done || unsigned(running->waits) >> 16 > phase;
        moved = true;
      }
    }
    if (coming && !failure[0]) snprintf(failure, sizeof failure, "not all lanes of a warp meet");
    int waits = 0;
    for (unsigned t = 0; t < threads; ++t) {
      if (fibers[t].done) continue;
      if (left < before) snprintf(failure, sizeof failure, "%u of %u threads ended before a barrier", threads - left, threads);
      if (waits && fibers[t].waits != waits) snprintf(failure, sizeof failure, "threads stand at different barriers");
      waits = fibers[t].waits;
    }
  }
  running = nullptr;
}

// Numbers too small for a normal float are zero, as CuPy has kernels compiled, until this goes.
struct FlushToZero {
#ifdef __SSE__
  unsigned before = _mm_getcsr();
  FlushToZero() { _mm_setcsr(before | 0x8040); }
  ~FlushToZero() { _mm_setcsr(before); }
#endif
};

// Runs a kernel; an empty string, or what went wrong.
static inline const char* run(void (*body)(), const unsigned* grid, const unsigned* block, unsigned long long seed) {
  const FlushToZero flush;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  thread_body = body;
  barriers_seen = false;
  failure[0] = 0;
  const SharedMemory shared = shared_memory();
  const Extent part = {edge ? 1 : grid[0], grid[1], grid[2]};
  const unsigned threads = block[0] * block[1] * block[2], blocks = part.x * part.y * part.z;
  if (threads > 1024) return "more than 1024 threads in a block";
  const Order order(blocks, seed);
  for (unsigned b = 0; b < blocks && !failure[0]; ++b) {
    place(blockIdx, part, order[b]);
    if (edge) blockIdx.x = grid[0] - 1;
    spoil(shared);
    if (b == 0 || barriers_seen) {
      run_fibers(threads, seed ? seed + 1000 * b : 0);
      continue;
    }
    const Order inner(threads, seed ? seed + b : 0);
    for (unsigned t = 0; t < threads; ++t) {
      place(threadIdx, blockDim, inner[t]);
      body();
    }
  }
  return failure;
}

static void** arguments;

template <int... I> struct Indices {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { typedef Indices<I...> type; };

template <class... A, int... I> static inline void call(void (*kernel)(A...), Indices<I...>) {
  kernel(*static_cast<A*>(arguments[I])...);
}

template <class... A> constexpr int arity(void (*)(A...)) { return sizeof...(A); }

}  // namespace shim

EXPORTED void only_the_edge(bool on) { shim::edge = on; }

// Defines `symbol`: run the kernel on an array of pointers to its arguments.
#define LAUNCHER(symbol, ...)                                                                                                  \
  static void symbol##_body() { shim::call(__VA_ARGS__, shim::Count<shim::arity(decltype(&__VA_ARGS__)())>::type()); }          \
  EXPORTED const char* symbol(void** arguments, const unsigned* grid, const unsigned* block, unsigned long long seed) {        \
    shim::arguments = arguments;                                                                                               \
    return shim::run(symbol##_body, grid, block, seed);                                                                        \
  }

#define __syncthreads() shim::barrier(__LINE__)

// What another lane of the warp has, all of which meet here.
UNTRACED static inline float __shfl_xor_sync(unsigned, float value, int apart) {
  const unsigned thread = threadIdx.x + blockDim.x * threadIdx.y, mine[4] = {__float_as_uint(value)}, none[2] = {};
  return __uint_as_float(shim::meet(thread, mine, none)[(thread % shim::LANES) ^ unsigned(apart)].a[0]);
}

// Tensor cores, as runtime/kernels/cuda/mma.cuh describes them: each lane computes its four numbers from what all lanes hold.
#define TENSOR_CORES_OF_SHIM

UNTRACED static inline unsigned to_tf32(float value) {
  const unsigned bits = __float_as_uint(value);
  return value != value ? 0x7fffffffu : bits % 0x80000000u >= 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

UNTRACED static inline unsigned to_bf16(float value) {
  const unsigned bits = __float_as_uint(value);
  return value != value ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
UNTRACED static inline unsigned to_bf16(float low, float high) { return to_bf16(high) << 16 | to_bf16(low); }

// The sum of exact products is cut, not rounded, to a float (Fasi et al. 2021, "Numerical behavior of NVIDIA tensor cores").
UNTRACED static inline float cut(double sum) {
  const float rounded = float(sum);
  return fabs(double(rounded)) > fabs(sum) && !isinf(rounded) ? __uint_as_float(__float_as_uint(rounded) - 1) : rounded;
}

UNTRACED static inline void mma_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  const unsigned thread = threadIdx.x, lane = thread % shim::LANES;
  const shim::Fragments* all = shim::meet(thread, a, b);
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned g = lane / 4, column = 2 * (lane % 4) + i % 2;
    double sum = c[i];
    for (unsigned k = 0; k < 8; ++k) {  // a factor's last 13 bits are not looked at
      const unsigned left = all[4 * g + k % 4].a[i / 2 + 2 * (k / 4)], right = all[4 * column + k % 4].b[k / 4];
      sum += double(__uint_as_float(left & 0xffffe000u)) * __uint_as_float(right & 0xffffe000u);
    }
    c[i] = cut(sum);
  }
}

UNTRACED static inline void mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  const unsigned thread = threadIdx.x, lane = thread % shim::LANES;
  const shim::Fragments* all = shim::meet(thread, a, b);
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned g = lane / 4, column = 2 * (lane % 4) + i % 2;
    double sum = c[i];
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned owner = k / 2 % 4, half = k / 8, shift = k % 2 * 16;
      const unsigned left = all[4 * g + owner].a[i / 2 + 2 * half] >> shift, right = all[4 * column + owner].b[half] >> shift;
      sum += double(__uint_as_float(left << 16)) * __uint_as_float(right << 16);
    }
    c[i] = cut(sum);
  }
}
