"""Names of the collection's LinearAENet tensors, and where they live in `LinearAutoencoderNetwork`."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from flax import nnx

from asd_jax.detectors.base import TrainState
from asd_jax.detectors.linear_autoencoder import (
    LinearAutoencoder,
    LinearAutoencoderConfig,
    LinearAutoencoderNetwork,
)
from asd_jax.interop import pytorch
from asd_jax.interop.pytorch import Rule, batch_norm, load_state_dict

UNUSED = "cov"
"""A covariance that the published network carries for a Mahalanobis score; its forward pass does not read it."""


def rules(network: LinearAutoencoderNetwork) -> dict[str, Rule]:
    """One rule a tensor of the published state dict, but for the unused covariance."""
    found: dict[str, Rule] = {}
    for part, layers in (("encoder", network.encoder), ("decoder", network.decoder)):
        for i in range(len(layers)):
            # Linear layer, normalisation and rectifier follow one another: three numbers a layer.
            found |= _linear(f"{part}.{3 * i}", (part, i, "linear"))
            found |= batch_norm(f"{part}.{3 * i + 1}", (part, i, "norm"))
    return found | _linear(f"decoder.{3 * len(network.decoder)}", ("output",))


def _linear(source: str, target: tuple[str | int, ...]) -> dict[str, Rule]:
    return {
        f"{source}.weight": ((*target, "kernel"), pytorch.linear),
        f"{source}.bias": ((*target, "bias"), pytorch.same),
    }


def sizes(
    tensors: Mapping[str, np.ndarray], config: LinearAutoencoderConfig
) -> tuple[LinearAutoencoderConfig, int]:
    """The configuration with the sizes of these tensors; 0 classes, since the network knows none.

    The number of frames a vector is read off the covariance's side, the mel bands, where there is one.

    Raises:
        ValueError: a tensor is missing, or the inputs are no whole number of frames.
    """
    widths: list[int] = []
    while f"encoder.{3 * len(widths)}.weight" in tensors:
        widths.append(tensors[f"encoder.{3 * len(widths)}.weight"].shape[0])
    last = f"decoder.{3 * len(widths) - 3}.weight"
    for name in ("encoder.0.weight", "encoder.1.running_mean", last):
        if name not in tensors:
            raise ValueError(f"these are not the dense autoencoder's weights: {name} is missing")
    inputs = tensors["encoder.0.weight"].shape[1]
    mels = tensors[UNUSED].shape[0] if UNUSED in tensors else config.features.n_mels
    if inputs % mels:
        raise ValueError(
            f"{inputs} inputs are no whole number of frames of {mels} mel bands: "
            "give the configuration the mel bands of these weights"
        )
    found = dataclasses.replace(
        config,
        features=dataclasses.replace(config.features, n_mels=mels),
        n_frames=inputs // mels,
        hidden=tuple(widths[:-1]),
        bottleneck=widths[-1],
    )
    return found, 0


def load_weights(
    detector: LinearAutoencoder, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """The state with these weights and a fresh optimiser; the unused covariance is passed over.

    Raises:
        ValueError: tensors are missing, unknown or of other shapes.
    """
    network = detector.network(state.params, state.statistics)
    used = {name: tensor for name, tensor in tensors.items() if name != UNUSED}
    load_state_dict(network, used, rules(network))
    params, statistics = nnx.state(network, nnx.Param, ...)
    return state.replace(
        params=params, statistics=statistics, optimizer=detector.optimizer.init(params)
    )
