"""Looks at a prepared dataset as a detector hears it: clips, one decoded batch, throughput, pictures.

The same as `asd inspect`; see `python launch/inspect_data.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("inspect")
