"""Reading recorded reference data and comparing with it; parity tests share these."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd_jax.interop.pytorch import Rule

Arrays = dict[str, np.ndarray]


def recorded(shared: Path, pattern: str) -> list[Path]:
    """Files of the golden folder that match; the test is skipped where there are none."""
    paths = sorted((shared / "golden").glob(pattern))
    if not paths:
        pytest.skip(f"nothing like {pattern} in {shared / 'golden'}")
    return paths


def load(path: Path) -> Arrays:
    """All arrays of a file; the test is skipped where it is absent."""
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def under(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """What is recorded under a prefix, without it and without PyTorch's counters of batches."""
    found = {
        key.removeprefix(prefix): value
        for key, value in arrays.items()
        if key.startswith(prefix) and not key.endswith("num_batches_tracked")
    }
    assert found, f"nothing recorded under {prefix}"
    return found


def figures(arrays: Mapping[str, np.ndarray], names: str, values: str) -> dict[str, float]:
    """A recorded list of names with the list of numbers that belongs to it."""
    return dict(zip(map(str, arrays[names]), map(float, arrays[values]), strict=True))


def distance(ours: Any, golden: Any) -> float:
    """Relative L2 distance."""
    ours, golden = np.asarray(ours, np.float64), np.asarray(golden, np.float64)
    assert ours.shape == golden.shape, f"{ours.shape} instead of {golden.shape}"
    return float(np.linalg.norm(ours - golden) / max(float(np.linalg.norm(golden)), 1e-30))


def our_tensor(tree: Any, rules: Mapping[str, Rule], name: str) -> np.ndarray:
    """The part of a tree (parameters, gradients, moments) that a recorded tensor's name stands for."""
    for part in rules[name][0]:
        tree = tree[part]
    return np.asarray(tree[...], np.float64)


def in_our_layout(rules: Mapping[str, Rule], name: str, tensor: np.ndarray) -> np.ndarray:
    """A recorded tensor with its axes in our order."""
    return rules[name][1](tensor).astype(np.float64)


def stable_mask(arrays: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Elements whose move in three Adam steps is more than rounding noise, in the recorded layout."""
    bits = np.unpackbits(arrays[key], count=int(np.prod(shape)))
    return bits.reshape(shape).astype(bool)


def scaled(tensor: np.ndarray) -> np.ndarray:
    """A copy with every element 1 % off: parity must notice it."""
    return (tensor * 1.01).astype(tensor.dtype)
