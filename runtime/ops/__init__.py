"""How layers run, a folder for each family: lowering, CPU and CUDA kernels."""
