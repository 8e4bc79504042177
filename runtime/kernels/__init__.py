"""What the kernels of all families share: registries, formulas and their printer, random numbers, headers."""
