"""Writes simulated machines as zip archives in the official DCASE Task 2 layout.

The same as `asd simulate`; see `python launch/simulate.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("simulate")
