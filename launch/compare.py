"""Compares systems on the same test clips: means, spreads over runs, paired differences with intervals.

The same as `asd compare`; see `python launch/compare.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("compare")
