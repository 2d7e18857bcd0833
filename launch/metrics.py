"""Official metrics for the score files of any system, and whether published tables agree with them.

The same as `asd metrics`; see `python launch/metrics.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("metrics")
