"""Fields of forks that say which code runs, with what precision or how fast; results are the same without them."""

from __future__ import annotations

# Of Intel's Caffe: engines. Of NVIDIA's: precisions, cuDNN's algorithms, memory and threads. Of others: memory.
IDLE_FIELDS = frozenset(
    {
        "backward_math", "backward_type", "cache", "conv_algorithm", "conv_algos_override", "cudnn_convolution_algo_seeker",
        "cudnn_math_override", "data_shares", "debug", "default_backward_math", "default_backward_type",
        "default_conv_algos_override", "default_cudnn_math_override", "default_forward_math", "default_forward_type",
        "disk_reader_threads", "eltwise_mem_sharing", "engine", "forward_math", "forward_packing", "forward_type",
        "global_grad_scale", "global_grad_scale_adaptive", "mem_param", "optimize_mem", "parser_threads", "precache",
        "reduce_buckets", "threads", "use_gpu_transform",
    }
)  # fmt: skip


# Fields of solvers that the nets of forks have as well.
ALSO_OF_NETS = frozenset(
    {"default_backward_math", "default_backward_type", "default_forward_math", "default_forward_type", "engine"}
)


def is_idle(path: str) -> bool:
    """Whether the field at a path, such as convolution_param.engine, has no effect on results."""
    return path.rpartition(".")[2] in IDLE_FIELDS
