"""What all scorers share: checked samples, one way to fit and score, and batches on the device."""

import abc
from collections.abc import Callable, Sequence
from typing import Self

import jax
import numpy as np
from numpy.typing import ArrayLike

BATCH = 64


class SampleScorer(abc.ABC):
    """Learns what normal clips look like, then gives anomaly scores; the methods are named as in scikit-learn.

    A score is higher the more anomalous the clip is: scikit-learn's own density estimators and LOF have the other
    sign.
    """

    _shape: tuple[int, ...] = ()

    def fit(self, samples: ArrayLike, domains: Sequence[str] | None = None) -> Self:
        """Learns from the reports of normal clips.

        Args:
            samples: `[clips, ...]`.
            domains: the clips' domains, for scorers that tell them apart.

        Raises:
            ValueError: there are no clips, a value is not finite, or the domains are of other clips.
        """
        values = _finite(samples)
        if domains is not None and len(domains) != len(values):
            raise ValueError(f"{len(domains)} domains for {len(values)} reference clips")
        self._shape = values.shape[1:]
        self._fit(values, [""] * len(values) if domains is None else list(domains))
        return self

    def score_samples(self, samples: ArrayLike) -> np.ndarray:
        """Anomaly scores `[clips]`, float64, of reports `[clips, ...]`.

        Raises:
            ValueError: not fitted, no clips, a value that is not finite, or reports of another shape than fitted on.
        """
        if not self._shape:
            raise ValueError(f"{type(self).__name__} must be fitted before it scores")
        values = _finite(samples)
        if values.shape[1:] != self._shape:
            raise ValueError(
                f"fitted on samples of shape {self._shape}, cannot score {values.shape[1:]}"
            )
        return np.asarray(self._score(values), np.float64)

    @abc.abstractmethod
    def _fit(self, samples: np.ndarray, domains: list[str]) -> None:
        """As `fit`, on checked float64 samples and a domain a clip."""

    @abc.abstractmethod
    def _score(self, samples: np.ndarray) -> np.ndarray:
        """As `score_samples`, on checked float64 samples."""


def _finite(samples: ArrayLike) -> np.ndarray:
    values = np.asarray(samples, np.float64)
    if values.ndim < 2 or not values.size:
        raise ValueError(f"a scorer takes samples [clips, ...] of some clips, got {values.shape}")
    broken = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if broken.any():
        raise ValueError(
            f"{np.count_nonzero(broken)} of {len(values)} clips have values that are not finite (first: number "
            f"{int(np.argmax(broken))}); check the clips and the checkpoint"
        )
    return values


def as_rows(samples: np.ndarray) -> np.ndarray:
    """`[clips, ...]` to `[clips, features]`."""
    return samples.reshape(len(samples), -1)


def directions(rows: np.ndarray) -> np.ndarray:
    """Unit vectors `[clips, features + 1]` whose products are cosines.

    A zero vector has no direction: it gets one of its own, at a right angle to all others, in the additional feature.
    """
    # Scaled by the largest value first: the square of a tiny vector would vanish.
    scale = np.abs(rows).max(axis=1, keepdims=True)
    is_zero = scale == 0
    scaled = rows / np.where(is_zero, 1.0, scale)
    norm = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.concatenate([scaled / np.where(is_zero, 1.0, norm), is_zero], axis=1)


def on_device(
    function: Callable[..., jax.Array], rows: np.ndarray, *fitted: np.ndarray
) -> np.ndarray:
    """Runs a jitted function on batches of one size, so that it is compiled once.

    Args:
        function: `[batch, features]` and what was fitted to `[batch]`.
        rows: `[clips, features]`.
        fitted: arrays that are the same for every batch.

    Returns:
        `[clips]`.
    """
    # Distances of nearly equal embeddings are differences in the last digits of float32. TPUs have no double precision.
    is_double = jax.default_backend() != "tpu"
    precision = np.float64 if is_double else np.float32
    padded = np.pad(rows, [(0, -len(rows) % BATCH), (0, 0)], mode="edge").astype(precision)
    with jax.enable_x64(is_double):
        constants = [jax.device_put(array.astype(precision)) for array in fitted]
        batches = np.split(padded, len(padded) // BATCH)
        scores = [function(jax.device_put(batch), *constants) for batch in batches]
        return np.concatenate(jax.device_get(scores))[: len(rows)]
