// Images as a data source yields them -> a net's input: crop, mirror, (pixel - mean) * scale, NHWC bytes -> CHWN floats.
#include "common.cuh"

constexpr int TILE = 32;  // images, and pixels of a row, that a block turns
constexpr int ROWS = 8;   // threads are (TILE, ROWS)

// top (C, H, W, N) from images (N, h, w, C); offsets (N, 2): top and left of each crop; mean (C, h, w), taken where the crop is.
__global__ void image_transform(
    const unsigned char* __restrict__ images, const int* __restrict__ offsets, const unsigned char* __restrict__ mirrors,
    const float* __restrict__ mean, float* __restrict__ top, int C, int H, int W, int N, int h, int w, float scale) {
  __shared__ float tile[TILE][TILE + 1];  // [image][pixel]; one more, so that a column's numbers lie in different banks
  const int first = blockIdx.x % ((N + TILE - 1) / TILE) * TILE, left = blockIdx.x / ((N + TILE - 1) / TILE) * TILE;
  for (int y = blockIdx.y; y < H; y += gridDim.y) {
    for (int c = 0; c < C; ++c) {
      for (int i = threadIdx.y; i < TILE; i += ROWS) {
        const int n = first + i, x = left + threadIdx.x;
        if (n >= N || x >= W) continue;
        const int row = offsets[2 * n] + y, column = offsets[2 * n + 1] + (mirrors[n] ? W - 1 - x : x);
        const float pixel = images[((Index(n) * h + row) * w + column) * C + c];
        tile[i][threadIdx.x] = (pixel - mean[(Index(c) * h + row) * w + column]) * scale;
      }
      __syncthreads();
      for (int i = threadIdx.y; i < TILE; i += ROWS) {
        const int n = first + threadIdx.x, x = left + i;
        if (n < N && x < W) top[((Index(c) * H + y) * W + x) * N + n] = tile[threadIdx.x][i];
      }
      __syncthreads();
    }
  }
}
