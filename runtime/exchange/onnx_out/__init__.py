"""A net as an ONNX file: a rule for each layer type, the file, and the check by ONNX Runtime.

`prepare` says what of a net cannot be expressed, `export_onnx` writes the file.
"""
