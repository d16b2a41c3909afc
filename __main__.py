"""`python -m edgesim`."""

from edgesim.cli import main

main(prog_name="edgesim")
