"""`python -m orchard` is `orchard`."""

from orchard.cli import main

main(prog_name="orchard")
