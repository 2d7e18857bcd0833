"""Names of the collection's ConvEncoder and ConvDecoder tensors, and where they live in `ConvAutoencoderNetwork`.

Encoder and decoder are two published files: their names get the prefixes `encoder.` and `decoder.` here.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import TrainState
from asd_jax.detectors.conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from asd_jax.interop import pytorch
from asd_jax.interop.pytorch import Rule, load_state_dict
from asd_jax.nn.conv_autoencoder import ConvAutoencoderNetwork

_ENCODER = "encoder.encoder_layers"
_DECODER = "decoder.decoder_layers"


def rules(network: ConvAutoencoderNetwork) -> dict[str, Rule]:
    """One rule a tensor of the two state dicts."""
    levels = len(network.encoder.convolutions)
    found: dict[str, Rule] = {
        f"{_ENCODER}.{3 * levels}.weight": (("encoder", "to_latent", "kernel"), pytorch.conv2d),
        "encoder.arcface.weight": (("arcface", "weight"), pytorch.same),
        f"{_DECODER}.0.weight": (
            ("decoder", "from_latent", "kernel"),
            pytorch.conv_transpose2d,
        ),
    }
    # Convolution, normalisation and rectifier follow one another: three numbers a level.
    for i in range(levels):
        encoder, decoder = ("encoder", "convolutions", i), ("decoder", "convolutions", i)
        found[f"{_ENCODER}.{3 * i}.weight"] = ((*encoder, "kernel"), pytorch.conv2d)
        found[f"{_DECODER}.{3 * i + 3}.weight"] = (
            (*decoder, "kernel"),
            pytorch.conv_transpose2d,
        )
        for source, part in ((_ENCODER, "encoder"), (_DECODER, "decoder")):
            for theirs, mine in (("weight", "scale"), ("bias", "bias")):
                name = f"{source}.{3 * i + 1}.{theirs}"
                found[name] = ((part, "norms", i, mine), channels_last)
    return found


def channels_last(tensor: np.ndarray) -> np.ndarray:
    """`[channels, height, width]` to `[height, width, channels]`."""
    return tensor.transpose(1, 2, 0)


def sizes(
    tensors: Mapping[str, np.ndarray], config: ConvAutoencoderConfig
) -> tuple[ConvAutoencoderConfig, int]:
    """The configuration with the sizes of these tensors, and their number of classes.

    The window's length stays as in `config` where it makes as many frames as the tensors expect, and is the shortest
    one that does otherwise.

    Raises:
        ValueError: a tensor is missing.
    """
    levels = 0
    while f"{_ENCODER}.{3 * levels + 1}.weight" in tensors:
        levels += 1
    needed = [f"{_ENCODER}.1.weight", f"{_ENCODER}.{3 * levels}.weight", "encoder.arcface.weight"]
    for name in needed:
        if name not in tensors:
            raise ValueError(f"these are not the autoencoder's weights: {name} is missing")
    channels = tuple(tensors[f"{_ENCODER}.{3 * i}.weight"].shape[0] for i in range(levels))
    _, rows, columns = tensors[needed[0]].shape
    features = dataclasses.replace(config.features, n_mels=2 * columns)
    classes, latent = tensors["encoder.arcface.weight"].shape
    found = dataclasses.replace(
        config,
        features=features,
        clip=with_frames(config.clip, features.hop, 2 * rows),
        channels=channels,
        latent=latent,
    )
    return found, classes


def with_frames(clip: WindowPolicy, hop: int, frames: int) -> WindowPolicy:
    """The policy itself if its windows have that many frames, otherwise with the shortest windows that have."""
    if clip.samples // hop + 1 == frames:
        return clip
    return dataclasses.replace(clip, samples=(frames - 1) * hop)


def load_weights(
    detector: ConvAutoencoder, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """The state with these weights and a fresh optimiser.

    Raises:
        ValueError: tensors are missing, unknown or of other shapes.
    """
    network = detector.network(state.params)
    load_state_dict(network, tensors, rules(network))
    params = nnx.state(network, nnx.Param)
    return state.replace(params=params, optimizer=detector.optimizer.init(params))
