"""Programs on devices: memory, queues, plans, weights."""
