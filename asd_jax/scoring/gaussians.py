"""Scorers that describe normal clips by Gaussians."""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from sklearn.mixture import GaussianMixture

from asd_jax.scoring.samples import SampleScorer, as_rows, on_device
from asd_jax.scoring.settings import ScorerConfig

WORST_CONDITION = 1e10


class Mahalanobis(SampleScorer):
    """Mahalanobis distance to the mean of the normal clips: sqrt((x - m)' C^-1 (x - m)).

    C is the sample covariance where there are more clips than features and it is well conditioned; otherwise that of
    Ledoit and Wolf (2004), which shrinks toward a sphere. Normals that all coincide have the unit sphere.

    `selective` keeps a mean and a covariance a domain and takes the smallest distance, as the baseline of 2023 does
    with reconstruction errors; a domain of one clip takes the covariance of all.
    """

    def __init__(self, config: ScorerConfig):
        self._selective = config.selective

    def _fit(self, samples: np.ndarray, domains: list[str]) -> None:
        rows = as_rows(samples)
        groups = [rows]
        if self._selective:
            labels = np.array(domains)
            groups = [rows[labels == domain] for domain in sorted(set(domains))]
        self._distributions = [
            (group.mean(axis=0), whitening_of_clips(group if len(group) > 1 else rows))
            for group in groups
        ]

    def _score(self, samples: np.ndarray) -> np.ndarray:
        rows = as_rows(samples)
        each = [on_device(_mahalanobis, rows, *fitted) for fitted in self._distributions]
        return np.min(each, axis=0)


@jax.jit
def _mahalanobis(rows: jax.Array, mean: jax.Array, whitening: jax.Array) -> jax.Array:
    whitened = jnp.matmul(rows - mean, whitening, precision=jax.lax.Precision.HIGHEST)
    return jnp.linalg.norm(whitened, axis=1)


def whitening_of_clips(rows: np.ndarray) -> np.ndarray:
    """W `[features, features]` with W W' = C^-1 for the covariance of clips `[clips, features]`."""
    if len(rows) > rows.shape[1]:
        covariance = np.atleast_2d(np.cov(rows, rowvar=False))
        if np.linalg.cond(covariance) < WORST_CONDITION:
            return whitening(covariance)
    if np.ptp(rows, axis=0).max() == 0:
        return np.eye(rows.shape[1])
    return whitening(LedoitWolf().fit(rows).covariance_, 1 / WORST_CONDITION)


def whitening(covariance: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """W with W W' = C^-1.

    Args:
        covariance: C `[features, features]`.
        floor: smaller eigenvalues than this part of the largest count as that much.
    """
    variances, axes = np.linalg.eigh(covariance)
    if variances[-1] <= 0:
        return np.eye(len(covariance))
    return axes / np.sqrt(np.maximum(variances, floor * variances[-1]))


class GMM(SampleScorer):
    """Negative log-likelihood under a mixture of Gaussians with full covariances.

    The means start at the class head's sub-centres where there are at least two a class (ArcFace's, stretched to the
    clips' mean length), one Gaussian each; else at the centres that k-means finds, `components` of them. Each Gaussian
    needs two distinct clips: with fewer clips there are fewer Gaussians, by k-means, at least one.

    Args:
        config: `components` and `variance_floor`.
        centers: directions of the sub-centres, `[centres, features]`.

    Raises:
        ValueError: `components` below 1 or `variance_floor` not above 0.
    """

    def __init__(self, config: ScorerConfig, centers: np.ndarray | None = None):
        if config.components < 1 or config.variance_floor <= 0:
            raise ValueError(
                f"components must be 1 or more, variance_floor above 0: got {config.components} and "
                f"{config.variance_floor}"
            )
        self._config = config
        self._directions = centers

    def _fit(self, samples: np.ndarray, domains: list[str]) -> None:
        rows = as_rows(samples)
        variance = float(rows.var(axis=0).mean())
        centers = self._initial_means(rows)
        mixture = GaussianMixture(
            len(centers),
            means_init=centers,
            reg_covar=self._config.variance_floor * variance if variance > 0 else 1.0,
            random_state=0,
        )
        # scikit-learn refuses a single sample; twice the same is the same distribution.
        self._mixture = mixture.fit(rows if len(rows) > 1 else np.repeat(rows, 2, axis=0))

    def _initial_means(self, rows: np.ndarray) -> np.ndarray:
        most = max(len(np.unique(rows, axis=0)) // 2, 1)
        if self._directions is not None and 2 <= len(self._directions) <= most:
            length = np.linalg.norm(rows, axis=1).mean()
            return length * self._directions / np.linalg.norm(self._directions, axis=1)[:, None]
        components = min(self._config.components, most)
        return KMeans(components, n_init=4, random_state=0).fit(rows).cluster_centers_

    def _score(self, samples: np.ndarray) -> np.ndarray:
        return -self._mixture.score_samples(as_rows(samples))
