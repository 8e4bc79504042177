"""What the kernels of all families share: registries, random numbers, headers."""
