"""An ONNX file as a net: `read_model` reads it, `net_of` makes layers and weights of its nodes by a table of rules."""
