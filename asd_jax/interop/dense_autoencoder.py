"""Names of the published dense autoencoders' tensors, in Keras and in PyTorch, and where they live in our network.

Keras numbers its layers through a session (`dense`, `dense_1`, ... or `dense_20`, ...): their order counts, not the
number. Old weight files write `dense_1/dense_1/kernel:0` for `dense_1/kernel`; both are understood. The PyTorch state
dict also holds `cov_source` and `cov_target`, on which its Mahalanobis score rests: see `covariances.py`.
"""

import dataclasses
import re
from collections.abc import Mapping

import jax
import numpy as np
from flax import nnx

from asd_jax.detectors.base import TrainState
from asd_jax.detectors.dense_autoencoder import (
    DenseAutoencoder,
    DenseAutoencoderConfig,
    DenseAutoencoderNetwork,
)
from asd_jax.interop import keras, pytorch
from asd_jax.interop.covariances import NAMES
from asd_jax.interop.pytorch import Rule

_KERAS_LAYER = re.compile(r"(dense|batch_normalization)(?:_(\d+))?/\w+")
_PYTORCH_LAYER = re.compile(r"(encoder|decoder)\.(\d+)\.weight")


def is_keras(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether the names are Keras's."""
    return any(_KERAS_LAYER.fullmatch(_short(name)) for name in tensors)


def rules(network: DenseAutoencoderNetwork) -> dict[str, Rule]:
    """One rule a tensor of the published PyTorch state dict, but for the covariances."""
    encoders = network.bottleneck + 1
    found: dict[str, Rule] = {}
    for i in range(len(network.layers)):
        part, position = ("encoder", i) if i < encoders else ("decoder", i - encoders)
        source = f"{part}.{3 * position}"
        found[f"{source}.weight"] = (("layers", i, "kernel"), pytorch.linear)
        found[f"{source}.bias"] = (("layers", i, "bias"), pytorch.same)
        if i < len(network.norms):
            found |= pytorch.batch_norm(f"{part}.{3 * position + 1}", ("norms", i))
    return found


def keras_rules(network: DenseAutoencoderNetwork) -> dict[str, Rule]:
    """One rule a tensor of a Keras model whose layers are numbered from the start."""
    found: dict[str, Rule] = {}
    for i in range(len(network.layers)):
        found |= keras.dense(_numbered("dense", i), ("layers", i))
    for i in range(len(network.norms)):
        found |= keras.batch_norm(_numbered("batch_normalization", i), ("norms", i))
    return found


def sizes(
    tensors: Mapping[str, np.ndarray], config: DenseAutoencoderConfig
) -> tuple[DenseAutoencoderConfig, int]:
    """The configuration with every size that the tensors' shapes tell, and 0: the network knows no classes.

    The framework is told by the names. Of mel bands and frames, whose product alone is known from Keras's tensors, the
    bands stay as configured where they divide it, else the frames.

    Raises:
        ValueError: the tensors are of another architecture.
    """
    if is_keras(tensors):
        kernels = _keras_kernels(_from_the_start(tensors))
        middle = len(kernels) / 2 - 1
        narrowest = min(range(len(kernels)), key=lambda i: (kernels[i].shape[1], abs(i - middle)))
    else:
        kernels, narrowest = _pytorch_kernels(tensors)
    widths = [kernel.shape[1] for kernel in kernels]
    inputs = kernels[0].shape[0]
    if widths[-1] != inputs:
        raise ValueError(f"these weights make {widths[-1]} values of {inputs}: no autoencoder")
    mels = _mel_bands(tensors, inputs, config)
    found = dataclasses.replace(
        config,
        features=dataclasses.replace(config.features, n_mels=mels),
        stack_frames=inputs // mels,
        encoder=tuple(widths[:narrowest]),
        bottleneck=widths[narrowest],
        decoder=tuple(widths[narrowest + 1 : -1]),
        framework="keras" if is_keras(tensors) else "pytorch",
    )
    return found, 0


def load_weights(
    detector: DenseAutoencoder, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """The state with published weights and running statistics, and an optimiser that starts anew.

    Raises:
        ValueError: the tensors do not fit the detector's network.
    """
    network = DenseAutoencoderNetwork(detector.config, rngs=nnx.Rngs(jax.random.key(0)))
    if is_keras(tensors):
        pytorch.load_state_dict(network, _from_the_start(tensors), keras_rules(network))
    else:
        used = {name: tensor for name, tensor in tensors.items() if name not in NAMES}
        pytorch.load_state_dict(network, used, rules(network))
    params, statistics = nnx.state(network, nnx.Param, ...)
    optimizer = detector.optimizer.init(params)
    return state.replace(params=params, statistics=statistics, optimizer=optimizer)


def _short(name: str) -> str:
    """`.../dense_1/kernel:0` to `dense_1/kernel`."""
    return "/".join(name.partition(":")[0].split("/")[-2:])


def _numbered(kind: str, i: int) -> str:
    return f"{kind}_{i}" if i else kind


def _from_the_start(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keras's tensors under the names that a first model's layers have."""
    found = {}
    numbers: dict[str, set[int]] = {"dense": set(), "batch_normalization": set()}
    for name in tensors:
        match = _KERAS_LAYER.fullmatch(_short(name))
        if match:
            numbers[match[1]].add(int(match[2] or 0))
    places = {kind: sorted(found) for kind, found in numbers.items()}
    for name, tensor in tensors.items():
        short = _short(name)
        match = _KERAS_LAYER.fullmatch(short)
        if match:
            kind = match[1]
            layer = _numbered(kind, places[kind].index(int(match[2] or 0)))
            short = f"{layer}/{short.partition('/')[2]}"
        found[short] = tensor
    return found


def _keras_kernels(tensors: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    kernels: list[np.ndarray] = []
    while f"{_numbered('dense', len(kernels))}/kernel" in tensors:
        kernels.append(np.asarray(tensors[f"{_numbered('dense', len(kernels))}/kernel"]))
    if len(kernels) < 2:
        missing = f"{_numbered('dense', len(kernels))}/kernel"
        raise ValueError(f"these weights are of no dense autoencoder: {missing} is missing")
    return kernels


def _pytorch_kernels(tensors: Mapping[str, np.ndarray]) -> tuple[list[np.ndarray], int]:
    """Kernels `[in, out]` in order, and which of them makes the bottleneck."""
    parts: dict[str, dict[int, np.ndarray]] = {"encoder": {}, "decoder": {}}
    for name, tensor in tensors.items():
        match = _PYTORCH_LAYER.fullmatch(name)
        if match and np.ndim(tensor) == 2:
            parts[match[1]][int(match[2])] = np.asarray(tensor).T
    for part, found in parts.items():
        if 0 not in found:
            raise ValueError(
                f"these weights are of no dense autoencoder: {part}.0.weight is missing"
            )
    encoder, decoder = ([found[i] for i in sorted(found)] for found in parts.values())
    return encoder + decoder, len(encoder) - 1


def _mel_bands(
    tensors: Mapping[str, np.ndarray], inputs: int, config: DenseAutoencoderConfig
) -> int:
    if NAMES[0] in tensors:
        return len(tensors[NAMES[0]])
    if inputs % config.features.n_mels == 0:
        return config.features.n_mels
    if inputs % config.stack_frames == 0:
        return inputs // config.stack_frames
    raise ValueError(
        f"vectors of {inputs} values are neither frames of {config.features.n_mels} mel bands nor "
        f"{config.stack_frames} frames: set detector.features.n_mels or detector.stack_frames"
    )
