// Philox4x32-10 (Salmon et al. 2011): four random words from a counter and a key, the same as runtime/kernels/cpu/philox.py's.

constexpr unsigned DROPOUT_STREAM = 1, POOLING_STREAM = 2;  // the fourth counter word keeps apart what one layer draws for different ends

__device__ inline Pack<unsigned, 4> philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned k0, unsigned k1) {
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const unsigned high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
    const unsigned high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}
