// Labels: one float for each prediction, the index of a class.

// Whether a label names one of C classes.  One that does not makes the result NaN, so that the run sees it; nothing is read there.
__device__ inline bool is_class(float label, int C) { return label >= 0 && label < C; }

__device__ inline float not_a_number() { return __int_as_float(0x7fc00000); }
