"""ArcFace's margin, its corners, and its sub-centres."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.nn.arcface import ArcFace


def head(margin: float = 0.5, sub_centers: int = 1, easy_margin: bool = False) -> ArcFace:
    return ArcFace(
        4,
        3,
        sub_centers=sub_centers,
        margin=margin,
        scale=10.0,
        easy_margin=easy_margin,
        rngs=nnx.Rngs(0),
    )


def test_the_margin_is_an_angle() -> None:
    angles = np.linspace(0.1, math.pi - 0.6, 20)
    shifted = head(margin=0.5).with_margin(jnp.cos(jnp.asarray(angles)))
    np.testing.assert_allclose(shifted, np.cos(angles + 0.5), atol=2e-6)


def test_beyond_pi_minus_margin_the_shift_is_constant() -> None:
    """There cos(angle + margin) would rise again; the published code goes on with a constant penalty."""
    cosine = jnp.array([-0.9, -0.95, -1.0])
    shifted = head(margin=0.5).with_margin(cosine)
    np.testing.assert_allclose(shifted, cosine - math.sin(math.pi - 0.5) * 0.5, rtol=1e-6)


def test_the_easy_margin_leaves_negative_cosines_alone() -> None:
    cosine = jnp.array([-0.9, -0.1, 0.0, 0.5])
    shifted = head(easy_margin=True).with_margin(cosine)
    np.testing.assert_array_equal(shifted[:3], cosine[:3])
    assert float(shifted[3]) == pytest.approx(math.cos(math.acos(0.5) + 0.5), abs=1e-6)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0000001])
@pytest.mark.parametrize("easy_margin", [False, True])
def test_the_gradient_is_finite_where_a_feature_lies_on_a_center(
    cosine: float, easy_margin: bool
) -> None:
    """At cosine exactly 1 the published code's gradient is NaN, and so is all training after it."""
    layer = head(easy_margin=easy_margin)
    gradient = jax.grad(lambda c: jnp.sum(layer.with_margin(c)))(jnp.array([[cosine]]))
    assert np.all(np.isfinite(gradient))


def test_training_on_the_center_itself_stays_finite() -> None:
    layer = head()
    features = jnp.asarray(layer.weight[...]) * 3.0
    gradient = jax.grad(lambda x: jnp.sum(layer.logits(x, jnp.arange(3))))(features)
    assert np.all(np.isfinite(gradient))


def test_a_zero_feature_has_finite_logits_and_gradient() -> None:
    layer = head()
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(layer.logits(x, jnp.array([0]))))(
        jnp.zeros((1, 4))
    )
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


def test_only_the_true_class_gets_the_margin() -> None:
    layer = head()
    features = jnp.asarray(np.random.default_rng(1).normal(size=(3, 4)), jnp.float32)
    cosine = layer.cosines(features)
    logits = layer.logits(features, jnp.array([0, 1, 2]))
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(np.asarray(logits)[off], 10 * np.asarray(cosine)[off], rtol=1e-6)
    assert np.all(np.diag(logits) < 10 * np.diag(cosine))


def test_logits_ignore_the_length_of_features_and_centers() -> None:
    layer = head()
    features = jnp.asarray(np.random.default_rng(1).normal(size=(2, 4)), jnp.float32)
    before = layer.cosines(features)
    layer.weight.set_value(layer.weight[...] * 5)
    np.testing.assert_allclose(layer.cosines(features * 7), before, rtol=1e-5)


def test_the_nearest_sub_center_stands_for_its_class() -> None:
    """Consecutive rows are one class's sub-centres."""
    layer = head(sub_centers=2)
    layer.weight.set_value(jnp.asarray(np.random.default_rng(2).normal(size=(6, 4)), jnp.float32))
    feature = layer.weight[...][3:4]
    cosine = layer.cosines(feature)
    assert cosine.shape == (1, 3)
    assert float(cosine[0, 1]) == pytest.approx(1, abs=1e-6)
    rows = np.asarray(layer.weight[...])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(cosine[0], (unit @ unit[3]).reshape(3, 2).max(1), atol=1e-6)
