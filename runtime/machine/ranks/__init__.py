"""Training over the ranks of an MPI job: launch, messages, the devices of other ranks."""
