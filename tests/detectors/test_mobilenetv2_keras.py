"""MobileNetV2 against Keras itself in float64, where nothing is lost to rounding.

Runs where Keras is installed (pip install tensorflow-cpu): odd and even image sizes, two widths.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.mobilenetv2 import MobileNetV2Baseline, MobileNetV2Config
from asd_jax.interop.mobilenetv2 import load_weights, rules, sizes
from tests.golden import distance, in_our_layout, our_tensor

keras = pytest.importorskip("keras", reason="pip install tensorflow-cpu compares with Keras itself")
tf = pytest.importorskip("tensorflow", reason="pip install tensorflow-cpu compares with Keras")

CLASSES = 3
RATE = 1e-3


@pytest.fixture(scope="module", autouse=True)
def _double_precision() -> Any:
    keras.backend.set_floatx("float64")
    with jax.enable_x64(True):
        yield
    keras.backend.set_floatx("float32")


@dataclasses.dataclass
class Twins:
    """What Keras's model and ours make of the same images from the same weights, in our layout."""

    outputs: tuple[np.ndarray, np.ndarray]
    losses: tuple[float, float]
    gradients: dict[str, tuple[np.ndarray, np.ndarray]]
    statistics: dict[str, tuple[np.ndarray, np.ndarray]]
    moves: dict[str, tuple[np.ndarray, np.ndarray]]


def named(model: Any) -> dict[str, np.ndarray]:
    return {f"{x.name}/{w.name}": np.asarray(w) for x in model.layers for w in x.weights}


@pytest.fixture(scope="module", params=[((48, 96), 0.5), ((33, 47), 0.35)])
def twins(request: pytest.FixtureRequest) -> Twins:
    (height, width), alpha = request.param
    images = np.random.default_rng(0).normal(-40, 20, (4, height, width))
    labels = np.arange(4) % CLASSES
    grey = keras.Input((height, width, 1))
    model = keras.applications.MobileNetV2(
        input_tensor=keras.layers.Concatenate()([grey] * 3),
        alpha=alpha,
        weights=None,
        classes=CLASSES,
    )
    before = named(model)
    outputs = np.asarray(model(images[..., None], training=False))
    with tf.GradientTape() as tape:
        guess = model(images[..., None], training=True)
        one_hot = np.eye(CLASSES)[labels]
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(one_hot, guess))
    gradients = tape.gradient(loss, model.trainable_weights)
    keras.optimizers.Adam(RATE).apply_gradients(
        zip(gradients, model.trainable_weights, strict=True)
    )
    names = [f"{x.name}/{w.name}" for x in model.layers for w in x.trainable_weights]
    after = named(model)

    config, classes = sizes(before, MobileNetV2Config(learning_rate=RATE))
    assert (config.alpha, classes) == (alpha, CLASSES)
    detector = MobileNetV2Baseline(config, classes)
    state = load_weights(detector, jax.jit(detector.init)(jax.random.key(0)), before)
    network = detector.network(state.params, state.statistics)
    our_outputs = jax.nn.softmax(network(jnp.asarray(images), train=False).logits)
    new, metrics = jax.jit(detector.learn)(state, jnp.asarray(images), jnp.asarray(labels))
    ruled = rules(network)
    here = {name: in_our_layout(ruled, name, tensor) for name, tensor in after.items()}
    start = {name: in_our_layout(ruled, name, tensor) for name, tensor in before.items()}
    return Twins(
        (np.asarray(our_outputs), outputs),
        (float(metrics["loss"]), float(loss)),
        {
            name: (
                our_tensor(new.optimizer.mu, ruled, name) / (1 - 0.9),
                in_our_layout(ruled, name, np.asarray(gradient)),
            )
            for name, gradient in zip(names, gradients, strict=True)
        },
        {
            name: (our_tensor(new.statistics, ruled, name), here[name])
            for name in set(before) - set(names)
        },
        {
            name: (our_tensor(new.params, ruled, name) - start[name], here[name] - start[name])
            for name in names
        },
    )


def test_outputs_and_loss(twins: Twins) -> None:
    np.testing.assert_allclose(*twins.outputs, rtol=1e-9)
    np.testing.assert_allclose(*twins.losses, rtol=1e-9)


def test_every_gradient(twins: Twins) -> None:
    """Relative L2 distance at most 1e-9; what is zero in exact arithmetic stays so."""
    total = np.sqrt(sum(np.sum(np.square(golden)) for _, golden in twins.gradients.values()))
    for name, (ours, golden) in twins.gradients.items():
        if np.linalg.norm(golden) < 1e-9 * total:
            assert np.linalg.norm(ours) <= 1e-9 * total, name
        else:
            assert distance(ours, golden) <= 1e-9, name


def test_statistics_after_a_step(twins: Twins) -> None:
    for name, (ours, golden) in twins.statistics.items():
        np.testing.assert_allclose(ours, golden, rtol=1e-9, atol=1e-12, err_msg=name)


def test_adam_s_first_step(twins: Twins) -> None:
    """Within 1e-5 of the rate (TensorFlow holds it in float32) wherever the gradient is more than rounding."""
    for name, (ours, golden) in twins.moves.items():
        gradient = np.abs(twins.gradients[name][1])
        moved = np.abs(ours - golden)[gradient > 1e-6]
        assert moved.max(initial=0) <= 1e-5 * RATE, name
