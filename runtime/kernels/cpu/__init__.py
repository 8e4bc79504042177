"""The CPU's kernels: each is Python that numba compiles; some are written in LLVM's language."""

from runtime.kernels.cpu.room import LIBRARIES, check_room, check_threads

check_room(LIBRARIES, "loading LLVM")  # before a module of this folder does
check_threads()
