"""Anomalous sound detection for the DCASE Challenge Task 2 data in JAX and Flax."""

from asd_jax.version import __version__

__all__ = ["__version__"]
