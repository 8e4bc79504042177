"""`python -m netdef` is `netdef`."""

from netdef.cli import main

main()
