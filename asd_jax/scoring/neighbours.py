"""Scorers that compare a clip with other clips: nearest neighbours, local outlier factor, cosine to the mean."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.neighbors import LocalOutlierFactor

from asd_jax.scoring.samples import SampleScorer, as_rows, directions, on_device
from asd_jax.scoring.settings import ScorerConfig


class KNN(SampleScorer):
    """Sum of the distances to the nearest normal clips.

    With `density_neighbours` K each distance is first divided by the mean distance of that normal clip to its own K
    nearest others: A(x) = min over y of D(x, y) / mean D(y, y_k) (Wilkinghoff et al., "Local Density-Based Anomaly
    Score Normalization for Domain Generalization", 2025). Where they all coincide, the smallest mean that is not zero
    stands in; where all normals coincide, distances stay as they are.

    The cosine distance of a zero vector is 1, but 0 to another zero vector. Where there are fewer normals than
    neighbours asked for, all of them count.

    Raises:
        ValueError: `neighbours` below 1 or `density_neighbours` below 0.
    """

    def __init__(self, config: ScorerConfig):
        if config.neighbours < 1 or config.density_neighbours < 0:
            raise ValueError(
                f"neighbours must be 1 or more, density_neighbours 0 or more: got {config.neighbours} and "
                f"{config.density_neighbours}"
            )
        self._config = config

    def _fit(self, samples: np.ndarray, domains: list[str]) -> None:
        rows = self._prepared(samples)
        self._count = len(rows)
        # References of all sections are padded to few sizes, so that few programs are compiled.
        padding = max(1 << (self._count - 1).bit_length(), 64) - self._count
        self._references = np.pad(rows, [(0, padding), (0, 0)])
        self._weights = np.pad(np.ones(self._count), (0, padding))
        self._weights[: self._count] = 1 / self._mean_distances(rows)

    def _score(self, samples: np.ndarray) -> np.ndarray:
        neighbours = min(self._config.neighbours, self._count)
        return self._nearest(self._prepared(samples), neighbours)

    def _prepared(self, samples: np.ndarray) -> np.ndarray:
        rows = as_rows(samples)
        return directions(rows) if self._config.metric == "cosine" else rows

    def _nearest(self, rows: np.ndarray, neighbours: int) -> np.ndarray:
        function = functools.partial(
            _sum_of_nearest, is_cosine=self._config.metric == "cosine", neighbours=neighbours
        )
        return on_device(function, rows, self._references, self._weights)

    def _mean_distances(self, rows: np.ndarray) -> np.ndarray:
        """Mean distance of every reference to its nearest others, `[clips]`, never zero."""
        neighbours = min(self._config.density_neighbours, self._count - 1)
        if neighbours < 1:
            return np.ones(self._count)
        # The nearest of all is the reference itself, at distance zero.
        means = self._nearest(rows, neighbours + 1) / neighbours
        smallest = means[means > 0].min(initial=np.inf)
        return np.where(means > 0, means, smallest if np.isfinite(smallest) else 1.0)


@functools.partial(jax.jit, static_argnames=("is_cosine", "neighbours"))
def _sum_of_nearest(
    queries: jax.Array,
    references: jax.Array,
    weights: jax.Array,
    *,
    is_cosine: bool,
    neighbours: int,
) -> jax.Array:
    """`[batch, features]`, `[references, features]` and `[references]` (0: no reference, only padding) to `[batch]`."""

    def score(query: jax.Array) -> jax.Array:
        # From differences, not from products: these would cancel where a clip lies close to a reference.
        squared = jnp.sum(jnp.square(references - query), axis=1)
        distance = squared / 2 if is_cosine else jnp.sqrt(squared)
        weighted = jnp.where(weights > 0, distance * weights, jnp.inf)
        return jnp.sum(-jax.lax.top_k(-weighted, neighbours)[0])

    return jax.lax.map(score, queries)


class CosineToMean(SampleScorer):
    """1 - cosine between a clip and the mean of the normal clips; 1 for a zero vector."""

    def _fit(self, samples: np.ndarray, domains: list[str]) -> None:
        self._mean = directions(as_rows(samples).mean(axis=0, keepdims=True))

    def _score(self, samples: np.ndarray) -> np.ndarray:
        return on_device(_cosine_distance, directions(as_rows(samples)), self._mean)


@jax.jit
def _cosine_distance(rows: jax.Array, mean: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(rows - mean), axis=1) / 2


class LOF(SampleScorer):
    """Local outlier factor (Breunig et al. 2000), scikit-learn's with the sign turned: about 1 for a normal clip.

    Where there are fewer normals than neighbours and the clip itself, each looks at all others; a single normal has
    no density, and the score is the distance to it.

    Raises:
        ValueError: `neighbours` below 1.
    """

    def __init__(self, config: ScorerConfig):
        if config.neighbours < 1:
            raise ValueError(f"neighbours must be 1 or more, got {config.neighbours}")
        self._config = config

    def _fit(self, samples: np.ndarray, domains: list[str]) -> None:
        self._scorer: LocalOutlierFactor | KNN
        if len(samples) == 1:
            self._scorer = KNN(ScorerConfig(metric=self._config.metric)).fit(samples)
            return
        self._scorer = LocalOutlierFactor(
            n_neighbors=min(self._config.neighbours, len(samples) - 1),
            metric=self._config.metric,
            novelty=True,
        ).fit(self._prepared(samples))

    def _score(self, samples: np.ndarray) -> np.ndarray:
        if isinstance(self._scorer, KNN):
            return self._scorer.score_samples(samples)
        return -self._scorer.score_samples(self._prepared(samples))

    def _prepared(self, samples: np.ndarray) -> np.ndarray:
        rows = as_rows(samples)
        return directions(rows) if self._config.metric == "cosine" else rows
