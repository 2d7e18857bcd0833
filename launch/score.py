"""Scores and decides your own recordings with a trained work directory; a line a file, as CSV.

The same as `asd score`; see `python launch/score.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("score")
