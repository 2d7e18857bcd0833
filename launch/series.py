"""Trains on a plain time series and scores every time step of another; run again, it goes on where it was stopped.

The same as `asd series`; see `python launch/series.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("series")
