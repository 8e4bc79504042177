"""The program: instructions on named buffers."""
