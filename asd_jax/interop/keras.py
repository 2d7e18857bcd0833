"""Keras tensor layouts to the ones used here; names are `<layer>/<variable>`, as in Keras's own weight files."""

import numpy as np

from asd_jax.interop.pytorch import Rule


def same(tensor: np.ndarray) -> np.ndarray:
    """Vectors, dense kernels `[in, out]` and convolutions `[height, width, in, out]` keep their layout."""
    return tensor


def pointwise(tensor: np.ndarray) -> np.ndarray:
    """`[1, 1, in, out]` to `[in, out]`."""
    return tensor[0, 0]


def depthwise(tensor: np.ndarray) -> np.ndarray:
    """`[height, width, channels, 1]` to `[height, width, channels]`."""
    return tensor[..., 0]


def batch_norm(layer: str, target: tuple[str | int, ...]) -> dict[str, Rule]:
    """The four tensors of a batch normalisation."""
    names = {
        "gamma": "scale",
        "beta": "bias",
        "moving_mean": "mean",
        "moving_variance": "variance",
    }
    return {f"{layer}/{name}": ((*target, mine), same) for name, mine in names.items()}


def dense(layer: str, target: tuple[str | int, ...]) -> dict[str, Rule]:
    """Kernel and bias of a dense layer."""
    return {f"{layer}/{name}": ((*target, name), same) for name in ("kernel", "bias")}
