"""Covariances of errors that came with published weights: kept beside the model, since a score rests on them."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

NAMES = ("cov_source", "cov_target")
_FILE = "published_covariances.npz"


def covariances_of(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The covariances among published tensors, by name; none where they were never fitted (all zeros).

    Raises:
        ValueError: one is missing, is no covariance, or cannot be inverted.
    """
    found = {name: np.asarray(tensors[name], np.float64) for name in NAMES if name in tensors}
    if not any(np.any(covariance) for covariance in found.values()):
        return {}
    if len(found) < len(NAMES):
        raise ValueError(f"of {' and '.join(NAMES)} only {', '.join(found)} is there")
    for name, covariance in found.items():
        _check(name, covariance)
    return found


def write_covariances(directory: Path, covariances: Mapping[str, np.ndarray]) -> None:
    """Puts them into a model's folder; without any, nothing is written."""
    if covariances:
        np.savez(directory / _FILE, allow_pickle=False, **dict(covariances))


def read_covariances(directory: Path) -> list[np.ndarray]:
    """What `write_covariances` put into a model's folder, the source's first; empty where it put nothing.

    Raises:
        ValueError: the file is damaged.
    """
    path = directory / _FILE
    if not path.is_file():
        return []
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: np.asarray(stored[name], np.float64) for name in NAMES}
        for name, covariance in found.items():
            _check(name, covariance)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is damaged ({error}): import the weights again into another --workdir"
        ) from error
    return list(found.values())


def _check(name: str, covariance: np.ndarray) -> None:
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"{name} has shape {list(covariance.shape)}: a covariance is square")
    if not np.isfinite(covariance).all():
        raise ValueError(f"{name} holds values that are not finite")
    if not np.allclose(covariance, covariance.T, rtol=1e-3, atol=1e-6 * np.abs(covariance).max()):
        raise ValueError(f"{name} is not symmetric: no covariance")
    if np.linalg.matrix_rank(covariance) < len(covariance):
        raise ValueError(
            f"{name} cannot be inverted (rank {np.linalg.matrix_rank(covariance)} of {len(covariance)}): "
            "it was fitted on too few clips; leave it out of the file to fit it anew"
        )
