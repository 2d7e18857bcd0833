"""Scores the test clips with a trained work directory and prints the year's official table.

The same as `asd evaluate`; see `python launch/evaluate.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("evaluate")
