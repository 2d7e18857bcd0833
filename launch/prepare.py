"""Prepares a year's dataset from its published zip archives, or a dataset of your own recordings.

The same as `asd prepare`; see `python launch/prepare.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("prepare")
