// Instructions of tensor cores, each in a function of its own: tests/runtime/kernels/cuda/shim.h has the same for the CPU.
//
// Lane t of a warp holds, with g = t / 4 and q = t % 4 (PTX ISA, "Matrix fragments for mma.m16n8k8" and "mma.m16n8k16"):
//     tf32: a = A[g][q], A[g + 8][q], A[g][q + 4], A[g + 8][q + 4];  b = B[q][g], B[q + 4][g]
//     bf16: the same with pairs of numbers along k, the even one in the low half: A[g][2 q, 2 q + 1], ... A[g + 8][2 q + 8, ...]
//     c = C[g][2 q], C[g][2 q + 1], C[g + 8][2 q], C[g + 8][2 q + 1]

#ifndef TENSOR_CORES_OF_SHIM
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800

// The nearest number with 10 bits behind the point, ties away from zero.
__device__ inline unsigned to_tf32(float value) {
  unsigned rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(value));
  return rounded;
}

// Two numbers rounded to bfloat16, ties to even.
__device__ inline unsigned to_bf16(float low, float high) {
  unsigned pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// c (16, 8) += a (16, 8) . b (8, 8)
__device__ inline void mma_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// c (16, 8) += a (16, 16) . b (16, 8)
__device__ inline void mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else  // cards before Ampere lack them, and plans do not ask for them there

__device__ inline unsigned to_tf32(float) { return 0; }
__device__ inline unsigned to_bf16(float, float) { return 0; }
__device__ inline void mma_tf32(float (&)[4], const unsigned (&)[4], const unsigned (&)[2]) {}
__device__ inline void mma_bf16(float (&)[4], const unsigned (&)[4], const unsigned (&)[2]) {}

#endif
#endif
