"""`python -m vsfdat` is the command."""

from vsfdat.cli import main

main()
