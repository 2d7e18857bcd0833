"""Our networks' tensors in the names and layouts of published files: what importing must undo."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from asd_jax.interop import keras, pytorch
from asd_jax.interop.pytorch import Rule

_BACK: dict[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]] = {
    pytorch.conv2d: lambda x: x.transpose(3, 2, 0, 1),
    pytorch.conv1d: lambda x: x.transpose(2, 1, 0),
    pytorch.strided_filters: lambda x: x.T[:, None],
    pytorch.pointwise: lambda x: x.T[:, :, None, None],
    pytorch.depthwise: lambda x: x.transpose(2, 0, 1)[:, None],
    pytorch.linear: lambda x: x.T,
    pytorch.same: lambda x: x,
    keras.pointwise: lambda x: x[None, None],
    keras.depthwise: lambda x: x[..., None],
    keras.same: lambda x: x,
}


def published_tensors(network: Any, rules: Mapping[str, Rule]) -> dict[str, np.ndarray]:
    """What a published file of this network would hold."""
    tensors = {}
    for name, (path, transform) in rules.items():
        variable = network
        for part in path:
            variable = variable[part] if isinstance(part, int) else getattr(variable, part)
        tensors[name] = np.ascontiguousarray(_BACK[transform](np.asarray(variable[...])))
        assert transform(tensors[name]).shape == variable[...].shape
    return tensors
