"""Trains an experiment; the same command goes on where a stopped one was.

The same as `asd train`; see `python launch/train.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("train")
