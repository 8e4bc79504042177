"""Training: rates, updates, the loop, tests, snapshots."""
