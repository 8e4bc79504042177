"""Lowering, fusion, memory planning, and the order of an iteration."""
