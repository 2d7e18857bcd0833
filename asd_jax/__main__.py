"""`python -m asd_jax` is `asd`."""

from asd_jax.cli import main

main()
