"""A CUDA card as a device."""
