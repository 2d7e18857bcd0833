"""Writes one HTML file about a trained work directory: results, maps, worst clips with pictures and sound.

The same as `asd report`; see `python launch/report.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("report")
