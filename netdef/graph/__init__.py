"""The typed graph: nets, layers, blobs, built from a message in one phase."""
