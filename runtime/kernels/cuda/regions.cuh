// Regions of interest: rois (5, R) has rows image, x1, y1, x2, y2.
#include "labels.cuh"

constexpr float FARTHEST = 1e6f;  // pixels: what reaches beyond is no region
constexpr int PADDING = -1, NO_REGION = -2;

// The image of a region, of N; PADDING where it is negative, NO_REGION where there is no such image or a corner is no number.
__device__ inline int image_of(const float* rois, int R, int r, int N) {
  bool valid = rois[r] < N;
  for (int corner = 1; corner < 5; ++corner) valid = valid && fabsf(rois[corner * R + r]) < FARTHEST;
  return !valid ? NO_REGION : rois[r] < 0 ? PADDING : int(rois[r]);
}
