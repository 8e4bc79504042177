"""The commands, a file each; nothing else in netdef imports runtime."""
