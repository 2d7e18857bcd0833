"""PyTorch tensor layouts to the ones used here, and the walk over a state dict."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

Rule = tuple[tuple[str | int, ...], Callable[[np.ndarray], np.ndarray]]
"""Where a tensor goes in the network and how its axes change."""


def same(tensor: np.ndarray) -> np.ndarray:
    """Vectors and class centres keep their layout."""
    return tensor


def conv2d(tensor: np.ndarray) -> np.ndarray:
    """`[out, in, height, width]` to `[height, width, in, out]`."""
    return tensor.transpose(2, 3, 1, 0)


def conv_transpose2d(tensor: np.ndarray) -> np.ndarray:
    """`[in, out, height, width]` to `[height, width, in, out]`."""
    return tensor.transpose(2, 3, 0, 1)


def conv1d(tensor: np.ndarray) -> np.ndarray:
    """`[out, in, width]` to `[width, in, out]`."""
    return tensor.transpose(2, 1, 0)


def strided_filters(tensor: np.ndarray) -> np.ndarray:
    """`[filters, 1, samples]` of a convolution on the waveform to `[samples, filters]`."""
    return tensor[:, 0].T


def pointwise(tensor: np.ndarray) -> np.ndarray:
    """`[out, in, 1, 1]` to `[in, out]`."""
    return tensor[:, :, 0, 0].T


def depthwise(tensor: np.ndarray) -> np.ndarray:
    """`[channels, 1, height, width]` to `[height, width, channels]`."""
    return tensor[:, 0].transpose(1, 2, 0)


def linear(tensor: np.ndarray) -> np.ndarray:
    """`[out, in]` to `[in, out]`."""
    return tensor.T


def batch_norm(source: str, target: tuple[str | int, ...]) -> dict[str, Rule]:
    """The four tensors of a batch normalisation."""
    names = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
    return {f"{source}.{name}": ((*target, mine), same) for name, mine in names.items()}


def load_state_dict(
    network: nnx.Module, tensors: Mapping[str, np.ndarray], rules: Mapping[str, Rule]
) -> None:
    """Sets the variables of a network that the rules name; counters of batches are passed over.

    Raises:
        ValueError: tensors are missing, unknown, or of another shape than the network's variables.
    """
    given = {name for name in tensors if not name.endswith("num_batches_tracked")}
    if given != set(rules):
        missing, unknown = sorted(set(rules) - given), sorted(given - set(rules))
        raise ValueError(
            f"these weights belong to another network: missing {missing[:3]}, unknown {unknown[:3]}"
        )
    for name, (path, transform) in rules.items():
        variable: Any = network
        for part in path:
            variable = variable[part] if isinstance(part, int) else getattr(variable, part)
        value = np.ascontiguousarray(transform(np.asarray(tensors[name])))
        if value.shape != variable[...].shape:
            raise ValueError(
                f"{name} has shape {value.shape} here, the network expects {variable[...].shape}: "
                "build the network with the sizes of the weights"
            )
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            raise ValueError(
                f"{name} holds values that are not finite: no network scores with them"
            )
        variable.set_value(jnp.asarray(value))
