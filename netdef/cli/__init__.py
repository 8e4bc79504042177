"""The commands, a file each; they alone import runtime."""
