"""Parts of the Anomaly Transformer against what they are defined as."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.detectors.anomaly_attention import (
    AnomalyTransformerNetwork,
    Association,
    ValueEmbedding,
    positions,
)
from asd_jax.detectors.association import (
    covering_starts,
    discrepancy,
    divergence,
    evidence,
    gaussian_prior,
    joined,
    minimax_discrepancy,
    prior_association,
)

KEY = jax.random.key(0)


def associations(steps: int = 6) -> tuple[jax.Array, jax.Array]:
    """A sigma `[2, 3, steps]` and a series association `[2, 3, steps, steps]`."""
    first, second = jax.random.split(KEY)
    sigma = jax.random.uniform(first, (2, 3, steps), minval=0.05, maxval=2.0)
    return sigma, jax.nn.softmax(jax.random.normal(second, (2, 3, steps, steps)))


def test_the_value_embedding_is_a_circular_convolution() -> None:
    """Each step sees its neighbours; the first one sees the last."""
    layer = ValueEmbedding(3, 4, rngs=nnx.Rngs(0))
    x = np.asarray(jax.random.normal(KEY, (2, 5, 3)))
    kernel = np.asarray(layer.kernel[...])
    expected = np.zeros((2, 5, 4))
    for step in range(5):
        for offset in (-1, 0, 1):
            expected[:, step] += x[:, (step + offset) % 5] @ kernel[offset + 1]
    np.testing.assert_allclose(layer(jnp.asarray(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [6, 7])
def test_positions_are_sinusoids_of_falling_frequency(width: int) -> None:
    table = positions(9, width)
    for position in (0, 1, 8):
        for i in range(width):
            angle = position / 10000 ** ((i - i % 2) / width)
            expected = np.cos(angle) if i % 2 else np.sin(angle)
            assert table[position, i] == pytest.approx(expected, abs=1e-12)


def test_the_prior_is_a_gaussian_of_the_distance_between_steps() -> None:
    """Unscaled it is the density; as an association its rows sum to 1."""
    sigma, _ = associations()
    distance = np.abs(np.arange(6)[:, None] - np.arange(6))
    width = np.asarray(sigma)[..., None]
    density = np.exp(-(distance**2) / (2 * width**2)) / (np.sqrt(2 * np.pi) * width)
    np.testing.assert_allclose(gaussian_prior(sigma), density, rtol=1e-4, atol=1e-30)
    rows = density / density.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(prior_association(sigma), rows, rtol=1e-4, atol=1e-30)


def test_the_narrowest_prior_and_its_gradient_are_finite() -> None:
    """Sigma's floor of about 1e-5 makes all but the diagonal vanish."""
    sigma = jnp.full((1, 1, 4), 1.1e-5)
    np.testing.assert_array_equal(prior_association(sigma)[0, 0], np.eye(4))
    gradient = jax.grad(lambda sigma: prior_association(sigma)[..., 0].sum())(sigma)
    assert np.all(np.isfinite(gradient))


def test_the_discrepancy_is_both_divergences() -> None:
    sigma, series = associations()
    prior = prior_association(sigma)
    p, q = np.asarray(prior, np.float64), np.asarray(series, np.float64)
    rows = np.sum(p * (np.log(p + 1e-4) - np.log(q + 1e-4)), axis=-1).mean(axis=1)
    np.testing.assert_allclose(divergence(prior, series), rows, rtol=1e-4)
    both = divergence(prior, series) + divergence(series, prior)
    np.testing.assert_allclose(discrepancy(prior, series), both, rtol=1e-4)


def test_the_game_has_the_gradients_of_both_phases() -> None:
    """The prior moves toward the series, the series away from the prior, each with the other detached."""
    sigma, series = associations()

    def apart(sigma: jax.Array, series: jax.Array) -> jax.Array:
        stop = jax.lax.stop_gradient
        minimise = discrepancy(prior_association(sigma), stop(series)).mean()
        maximise = discrepancy(stop(prior_association(sigma)), series).mean()
        return minimise - maximise

    def together(sigma: jax.Array, series: jax.Array) -> jax.Array:
        return minimax_discrepancy([Association(series, sigma)])

    for ours, expected in zip(
        jax.grad(together, (0, 1))(sigma, series),
        jax.grad(apart, (0, 1))(sigma, series),
        strict=True,
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-7)
    value = discrepancy(prior_association(sigma), series).mean()
    assert float(together(sigma, series)) == pytest.approx(float(value), rel=1e-6)


def test_weights_of_a_window_sum_to_1_and_prefer_small_discrepancies() -> None:
    network = AnomalyTransformerNetwork(
        3, width=8, heads=2, feed_forward=8, layers=2, rngs=nnx.Rngs(0)
    )
    x = jax.random.normal(KEY, (2, 10, 3))
    found = evidence(x, network(x), temperature=50.0)
    np.testing.assert_allclose(jnp.exp(found.log_weight).sum(axis=-1), 1, rtol=1e-5)
    for window in range(2):
        order = np.argsort(found.discrepancy[window])
        assert np.all(np.diff(np.asarray(found.log_weight[window])[order]) <= 0)
    np.testing.assert_allclose(jnp.exp(found.log_energy), found.energy, rtol=1e-4, atol=1e-35)


def test_windows_leave_no_step_out() -> None:
    np.testing.assert_array_equal(covering_starts(30, 10, 10), [0, 10, 20])
    np.testing.assert_array_equal(covering_starts(33, 10, 10), [0, 10, 20, 23])
    np.testing.assert_array_equal(covering_starts(10, 10, 10), [0])
    with pytest.raises(ValueError, match="9 time steps are fewer than one window of 10"):
        covering_starts(9, 10, 10)
    with pytest.raises(ValueError, match="a hop of 11"):
        covering_starts(30, 10, 11)


def test_joined_windows_give_the_series_back() -> None:
    """Where windows overlap, their mean is taken."""
    series = np.arange(23.0)
    starts = covering_starts(23, 5, 3)
    windows = np.stack([series[start : start + 5] for start in starts])
    np.testing.assert_allclose(joined(jnp.asarray(windows)[None], starts, 23)[0], series, rtol=1e-6)
    two = joined(jnp.array([[[1.0, 1.0], [3.0, 3.0]]]), np.array([0, 1]), 3)
    np.testing.assert_array_equal(two, [[1.0, 2.0, 3.0]])
