"""`python -m netdef` is `netdef`."""

from netdef.cli.main import main

main()
