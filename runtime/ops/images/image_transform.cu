// Images as a data source yields them -> a net's input: crop, mirror, (pixel - mean + shift) * scale, NHWC bytes or floats -> CHWN floats.
#include "common.cuh"

constexpr int TILE = 32;  // images, and pixels of a row, that a block turns
constexpr int ROWS = 8;   // threads are (TILE, ROWS)

// Pixels are read along a row of an image, floats written along the batch, a pack of V images at once.
template <int V, int C, class P, bool SHIFT>
__device__ inline void transform(
    const P* images, const int* offsets, const unsigned char* mirrors, const float* shifts, const float* mean, float* top,
    int H, int W, int N, int h, int w, float scale) {
  constexpr int G = C <= 4 ? C : 1;  // channels turned at a time: many would not fit
  __shared__ float tile[G][TILE][TILE + 1];  // [channel][image][pixel]; one more, so that a column's numbers lie in different banks
  const int tiles = (N + TILE - 1) / TILE, first = blockIdx.x % tiles * TILE, left = blockIdx.x / tiles * TILE;
  for (int y = blockIdx.y; y < H; y += gridDim.y) {
    for (int g = 0; g < C; g += G) {
      for (int i = threadIdx.y; i < TILE; i += ROWS) {
        const int n = first + i, x = left + threadIdx.x;
        if (n >= N || x >= W) continue;
        const int row = offsets[2 * n] + y, column = offsets[2 * n + 1] + (mirrors[n] ? W - 1 - x : x);
        for (int c = 0; c < G; ++c) {
          float value = images[((Index(n) * h + row) * w + column) * C + g + c];
          value -= mean[(Index(g + c) * h + row) * w + column];
          if (SHIFT) value += shifts[Index(n) * C + g + c];
          tile[c][i][threadIdx.x] = value * scale;
        }
      }
      __syncthreads();
      for (int pack = threadIdx.y * TILE + threadIdx.x; pack < TILE * TILE / V; pack += TILE * ROWS) {
        const int i = pack % (TILE / V) * V, j = pack / (TILE / V), n = first + i, x = left + j;
        if (n >= N || x >= W) continue;
        for (int c = 0; c < G; ++c) {
          Pack<float, V> values;
          for (int v = 0; v < V; ++v) values.at[v] = tile[c][i + v][j];
          store<V>(top, (((Index(g + c) * H + y) * W + x) * N + n) / V, values);
        }
      }
      __syncthreads();
    }
  }
}

// top (C, H, W, N) from images (N, h, w, C); offsets (N, 2): top and left of each crop; mean (C, h, w), taken where the crop is.
template <int V, int C, class P>
__global__ void image_transform(
    const P* __restrict__ images, const int* __restrict__ offsets, const unsigned char* __restrict__ mirrors,
    const float* __restrict__ mean, float* __restrict__ top, int H, int W, int N, int h, int w, float scale) {
  transform<V, C, P, false>(images, offsets, mirrors, nullptr, mean, top, H, W, N, h, w, scale);
}

// The same with what each image's channels are shifted by, (N, C).
template <int V, int C, class P>
__global__ void image_transform_shifted(
    const P* __restrict__ images, const int* __restrict__ offsets, const unsigned char* __restrict__ mirrors,
    const float* __restrict__ shifts, const float* __restrict__ mean, float* __restrict__ top, int H, int W, int N, int h, int w,
    float scale) {
  transform<V, C, P, true>(images, offsets, mirrors, shifts, mean, top, H, W, N, h, w, scale);
}
