"""A net and its weights in the forms of other programs, and back: ONNX, PyTorch, arrays."""
