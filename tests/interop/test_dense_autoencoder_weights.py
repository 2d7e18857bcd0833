"""Published dense autoencoders' tensors: what their names and shapes tell, and what is refused."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from asd_jax.detectors.dense_autoencoder import (
    DenseAutoencoderConfig,
    DenseAutoencoderNetwork,
)
from asd_jax.features.logmel import LogMel
from asd_jax.interop.covariances import (
    covariances_of,
    read_covariances,
    write_covariances,
)
from asd_jax.interop.dense_autoencoder import keras_rules, load_weights, rules, sizes
from asd_jax.interop.pytorch import Rule

CONFIG = DenseAutoencoderConfig(
    features=LogMel.dcase2020(n_mels=6),
    stack_frames=2,
    encoder=(7, 5),
    bottleneck=3,
    decoder=(4, 8, 9),
)
Tensors = dict[str, np.ndarray]


def tensors_of(config: DenseAutoencoderConfig) -> Tensors:
    """Random tensors in the published layout."""
    network = DenseAutoencoderNetwork(config, rngs=nnx.Rngs(0))
    draws = np.random.default_rng(0)

    def draw(rule: Rule) -> np.ndarray:
        value: object = network
        for part in rule[0]:
            value = value[part] if isinstance(part, int) else getattr(value, part)  # type: ignore[index]
        # Every layout here is its own inverse.
        return draws.uniform(0.5, 1.5, rule[1](np.asarray(value)).shape).astype(np.float32)

    found = (keras_rules if config.framework == "keras" else rules)(network)
    return {name: draw(rule) for name, rule in found.items()}


def outputs(tensors: Tensors, config: DenseAutoencoderConfig) -> np.ndarray:
    detector = config.build(classes=0, steps_per_epoch=1, epochs=1)
    state = load_weights(detector, detector.init(jax.random.key(0)), tensors)
    vectors = jax.random.normal(jax.random.key(1), (5, config.inputs))
    reconstruction, _ = detector.network(state)(vectors, train=False)
    return np.asarray(reconstruction)


@pytest.mark.parametrize("framework", ["keras", "pytorch"])
def test_sizes_are_read_off_the_shapes(framework) -> None:
    expected = dataclasses.replace(CONFIG, framework=framework)
    start = DenseAutoencoderConfig(features=LogMel.dcase2020(n_mels=6))
    assert sizes(tensors_of(expected), start) == (expected, 0)


def test_the_covariance_tells_the_mel_bands() -> None:
    """From Keras's tensors the product with the frames is all there is: the configured frames decide."""
    pytorch = dataclasses.replace(CONFIG, framework="pytorch")
    tensors = tensors_of(pytorch) | {"cov_source": np.eye(4), "cov_target": np.eye(4)}
    config, _ = sizes(tensors, CONFIG)
    assert (config.features.n_mels, config.stack_frames) == (4, 3)
    assert outputs(tensors, config).shape == (5, 12)
    other = dataclasses.replace(CONFIG, features=LogMel.dcase2020(n_mels=128), stack_frames=4)
    config, _ = sizes(tensors_of(CONFIG), other)
    assert (config.features.n_mels, config.stack_frames) == (3, 4)
    with pytest.raises(ValueError, match=r"12 values .* 128 mel bands nor 5 frames"):
        sizes(tensors_of(CONFIG), DenseAutoencoderConfig())


def test_keras_layers_count_in_their_order_whatever_their_numbers() -> None:
    """A session's second model starts at a later number, and 10 comes after 9; old files repeat the layer's name."""
    deep = dataclasses.replace(CONFIG, encoder=(7, 5, 6, 7, 5), decoder=(4, 8, 9, 6, 7))
    tensors = tensors_of(deep)

    def later(name: str) -> str:
        layer, variable = name.split("/")
        kind, _, number = layer.rpartition("_")
        kind, number = (kind, number) if number.isdigit() else (layer, "0")
        moved = f"{kind}_{int(number) + 7}"
        return f"{moved}/{moved}/{variable}:0"

    moved = {later(name): tensor for name, tensor in reversed(tensors.items())}
    assert sizes(moved, CONFIG) == sizes(tensors, CONFIG) == (deep, 0)
    np.testing.assert_array_equal(outputs(moved, deep), outputs(tensors, deep))


@pytest.mark.parametrize("framework", ["keras", "pytorch"])
def test_a_missing_or_misshapen_tensor_is_named(framework) -> None:
    config = dataclasses.replace(CONFIG, framework=framework)
    tensors = tensors_of(config)
    detector = config.build(classes=0, steps_per_epoch=1, epochs=1)
    state = detector.init(jax.random.key(0))
    for name, tensor in tensors.items():
        rest = {key: value for key, value in tensors.items() if key != name}
        with pytest.raises(ValueError, match="missing"):
            load_weights(detector, state, rest)
        with pytest.raises(ValueError, match=f"{name} has shape"):
            load_weights(detector, state, tensors | {name: np.concatenate([tensor, tensor])})


def test_other_architectures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no dense autoencoder: encoder\.0\.weight is missing"):
        sizes({"conv1.weight": np.ones((3, 3))}, CONFIG)
    with pytest.raises(ValueError, match="no dense autoencoder: dense_1/kernel is missing"):
        sizes({"dense/kernel": np.ones((4, 3))}, CONFIG)
    tensors = tensors_of(CONFIG)
    tensors["dense_6/kernel"] = np.ones((9, 11))
    with pytest.raises(ValueError, match="11 values of 12: no autoencoder"):
        sizes(tensors, CONFIG)


def test_step_stays_and_the_optimiser_starts_anew() -> None:
    detector = CONFIG.build(classes=0, steps_per_epoch=1, epochs=1)
    vectors = jax.random.normal(jax.random.key(1), (8, CONFIG.inputs))
    state, _ = jax.jit(detector.learn)(detector.init(jax.random.key(0)), vectors)
    loaded = load_weights(detector, state.replace(step=state.step + 3), tensors_of(CONFIG))
    assert int(loaded.step) == 3
    assert int(loaded.optimizer.steps) == 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(loaded.optimizer.mu))


def covariance(seed: int, size: int) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(size, 2 * size))
    return (factor @ factor.T).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cov_target": np.ones((6, 5))}, "cov_target has shape"),
        ({"cov_target": np.full((6, 6), np.nan)}, "cov_target holds values that are not finite"),
        ({"cov_target": np.triu(np.ones((6, 6)))}, "cov_target is not symmetric"),
        ({"cov_target": np.ones((6, 6))}, "cov_target cannot be inverted .rank 1 of 6"),
        ({"cov_target": None}, "only cov_source is there"),
    ],
)
def test_a_covariance_that_is_none_is_refused(change, told) -> None:
    tensors = {"cov_source": covariance(0, 6), "cov_target": covariance(1, 6)} | change
    with pytest.raises(ValueError, match=told):
        covariances_of({name: tensor for name, tensor in tensors.items() if tensor is not None})


def test_covariances_that_were_never_fitted_count_as_none() -> None:
    """The published network starts with zeros, which stay where only the squared error was asked for."""
    assert covariances_of({"cov_source": np.zeros((6, 6)), "cov_target": np.zeros((6, 6))}) == {}
    assert covariances_of({"encoder.0.weight": np.ones((2, 2))}) == {}


def test_covariances_are_read_back_and_damage_is_told(tmp_path: Path) -> None:
    given = {"cov_source": covariance(0, 6), "cov_target": covariance(1, 6)}
    write_covariances(tmp_path, given)
    for found, expected in zip(read_covariances(tmp_path), given.values(), strict=True):
        np.testing.assert_array_equal(found, expected)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"published_covariances\.npz is damaged"):
        read_covariances(tmp_path)
