"""Anomalous sound detection for the DCASE Challenge Task 2 data in JAX and Flax.

`train`, `evaluate` and `load` are described in `asd_jax.interface`; JAX is imported when one of them is first used.
"""

from typing import TYPE_CHECKING, Any

from asd_jax.version import __version__

if TYPE_CHECKING:
    from asd_jax.interface import FileScoring, Run, evaluate, load, train

__all__ = ["FileScoring", "Run", "__version__", "evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from asd_jax import interface

        return getattr(interface, name)
    raise AttributeError(f"module 'asd_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
