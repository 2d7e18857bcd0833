"""Turns published weights into a work directory that evaluate.py uses as if it had been trained here.

The same as `asd import-weights`; see `python launch/import_weights.py --help`.
"""

from asd_jax.cli import launch

if __name__ == "__main__":
    launch("import-weights")
