"""Association discrepancy (arXiv 2110.02642, sections 3.1 and 3.2): how prior and series association differ.

A normal step relates to the whole of its window; an anomalous one, being rare, to its neighbours alone, as the prior
does. So a small discrepancy speaks of an anomaly.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from asd_jax.detectors.anomaly_attention import AnomalyTransformerTaps, Association

_SMALL = 1e-4


def gaussian_prior(sigma: jax.Array) -> jax.Array:
    """Density of a Gaussian around every step at all steps: `[..., time]` to `[..., time, time]` (equation 2)."""
    height = 1 / (math.sqrt(2 * math.pi) * sigma)
    return height[..., None] * jnp.exp(_exponent(sigma))


def prior_association(sigma: jax.Array) -> jax.Array:
    """The Gaussian prior with rows that sum to 1, `[..., time, time]`."""
    # The density's height cancels; the largest exponent is 0, on the diagonal, so nothing overflows.
    weight = jnp.exp(_exponent(sigma))
    return weight / jnp.sum(weight, axis=-1, keepdims=True)


def _exponent(sigma: jax.Array) -> jax.Array:
    steps = np.arange(sigma.shape[-1])
    squared_distance = jnp.asarray(np.square(steps[:, None] - steps), sigma.dtype)
    return -squared_distance / (2 * jnp.square(sigma))[..., None]


def divergence(p: jax.Array, q: jax.Array) -> jax.Array:
    """Kullback-Leibler divergence of every row, mean over heads: `[batch, heads, time, time]` to `[batch, time]`.

    Both logarithms are kept finite by adding 1e-4, as in the published code.
    """
    rows = jnp.sum(p * (jnp.log(p + _SMALL) - jnp.log(q + _SMALL)), axis=-1)
    return jnp.mean(rows, axis=1)


def discrepancy(prior: jax.Array, series: jax.Array) -> jax.Array:
    """Both divergences together, KL(prior, series) + KL(series, prior), `[batch, time]` (equation 5, one layer)."""
    logarithms = jnp.log(prior + _SMALL) - jnp.log(series + _SMALL)
    return jnp.mean(jnp.sum((prior - series) * logarithms, axis=-1), axis=1)


def minimax_discrepancy(associations: Sequence[Association]) -> jax.Array:
    """Mean discrepancy over layers, batch and time, whose gradient pulls prior and series in opposite directions.

    Descending it moves the prior toward the series (minimise phase) and the series away from the prior (maximise
    phase; equation 7, figure 3). The published code evaluates the discrepancy twice, each time with one side detached,
    and runs backward twice; reversing the gradient of the series gives the same sum in one pass.
    """
    return jnp.stack(
        [
            jnp.mean(discrepancy(prior_association(each.sigma), _reversed(each.series)))
            for each in associations
        ]
    ).mean()


def _reversed(x: jax.Array) -> jax.Array:
    """The value itself, with the gradient's sign turned."""
    return 2 * jax.lax.stop_gradient(x) - x


class Evidence(NamedTuple):
    """What speaks for an anomaly at every step of a window, `[batch, time]` each.

    Attributes:
        error: squared reconstruction error, mean over channels.
        discrepancy: association discrepancy, summed over layers.
        log_weight: logarithm of the softmax over the window of -temperature * discrepancy.
    """

    error: jax.Array
    discrepancy: jax.Array
    log_weight: jax.Array

    @property
    def energy(self) -> jax.Array:
        """The anomaly score of a step (equation 8): error times weight; a window's weights sum to 1."""
        return jnp.exp(self.log_weight) * self.error

    @property
    def log_energy(self) -> jax.Array:
        """Its logarithm, where the energy itself would underflow; -inf where the error is 0."""
        return self.log_weight + jnp.log(self.error)


def evidence(x: jax.Array, taps: AnomalyTransformerTaps, temperature: float) -> Evidence:
    """The evidence in windows `[batch, time, channels]` that went through the network.

    Args:
        x: the windows.
        taps: what the network made of them.
        temperature: how sharply steps of small discrepancy are preferred (published: 50; equation 8 has 1).
    """
    layers = [discrepancy(prior_association(each.sigma), each.series) for each in taps.associations]
    total = jnp.sum(jnp.stack(layers), axis=0)
    error = jnp.mean(jnp.square(x - taps.output), axis=-1)
    return Evidence(error, total, jax.nn.log_softmax(-temperature * total, axis=-1))


def covering_starts(time: int, window: int, hop: int) -> np.ndarray:
    """First steps of windows at a hop that leave no step out, `[windows]`: a last one ends with the series.

    Raises:
        ValueError: the series is shorter than one window, or the hop would leave gaps.
    """
    if time < window:
        raise ValueError(f"{time} time steps are fewer than one window of {window}")
    if not 1 <= hop <= window:
        raise ValueError(f"a hop of {hop} between windows of {window} steps: choose 1 to {window}")
    starts = np.arange(0, time - window + 1, hop)
    last = time - window
    return starts if starts[-1] == last else np.append(starts, last)


def joined(values: jax.Array, starts: np.ndarray, time: int) -> jax.Array:
    """Values of windows as one series, the mean where windows overlap.

    `[series, windows, window]` to `[series, time]`.
    """
    where = (starts[:, None] + np.arange(values.shape[-1])).ravel()
    count = np.bincount(where, minlength=time)
    total = jnp.zeros((len(values), time), values.dtype)
    return total.at[:, where].add(values.reshape(len(values), -1)) / count
