"""Comparing a device with the CPU, and measuring it."""
