"""Names of the collection's STgramMFN tensors (time-delay front end), and where they live in `STgramNetwork`.

The front end's names begin with `tgramnet.`, the image network's and the class head's with `mobilefacenet.`.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from flax import nnx

from asd_jax.detectors.base import TrainState
from asd_jax.detectors.stgram_mfn import STgramMFN, STgramNetwork
from asd_jax.detectors.tdnn_stgram import TDNNSTgramConfig
from asd_jax.interop import pytorch, stgram_mfn
from asd_jax.interop.conv_autoencoder import with_frames
from asd_jax.interop.pytorch import Rule, load_state_dict
from asd_jax.nn.tdnn import CONTEXT_FRAMES

_FRONT = "tgramnet"
_IMAGE = "mobilefacenet"


def rules(network: STgramNetwork) -> dict[str, Rule]:
    """One rule a tensor of the published state dict."""
    image = stgram_mfn.rules(network)
    found = {name: rule for name, rule in image.items() if name.startswith(f"{_IMAGE}.")}
    found[f"{_IMAGE}.fc_out.weight"] = (("projection", "kernel"), pytorch.linear)
    found[f"{_IMAGE}.fc_out.bias"] = (("projection", "bias"), pytorch.same)
    found[f"{_IMAGE}.cls.weight"] = (("arcface", "weight"), pytorch.same)
    return found | tdnn_rules(_FRONT, ("tgram",))


def tdnn_rules(source: str, target: tuple[str | int, ...]) -> dict[str, Rule]:
    """The rules of the time-delay network alone."""
    found: dict[str, Rule] = {
        f"{source}.wav2mel.weight": ((*target, "filters"), pytorch.strided_filters),
        f"{source}.td_layer1.weight": ((*target, "dense", "kernel"), pytorch.conv1d),
        f"{source}.td_layer1.bias": ((*target, "dense", "bias"), pytorch.same),
    }
    for i in range(4):
        layer, norm = (*target, "depthwise", i), (*target, "norms", i)
        # `[channels, 1, width]` to `[width, channels]`, as the filterbank.
        found[f"{source}.td_layer{i + 2}.weight"] = ((*layer, "kernel"), pytorch.strided_filters)
        found[f"{source}.td_layer{i + 2}.bias"] = ((*layer, "bias"), pytorch.same)
        found[f"{source}.bn{i + 1}.weight"] = ((*norm, "scale"), pytorch.same)
        found[f"{source}.bn{i + 1}.bias"] = ((*norm, "bias"), pytorch.same)
    return found


def sizes(
    tensors: Mapping[str, np.ndarray], config: TDNNSTgramConfig
) -> tuple[TDNNSTgramConfig, int]:
    """The configuration with the sizes of these tensors, and their number of classes.

    Strides of the bottlenecks cannot be read off and stay as in `config`; so does the window's length where it makes as
    many frames as the tensors expect, otherwise it becomes the shortest that does.

    Raises:
        ValueError: a tensor is missing.
    """
    needed = (
        f"{_FRONT}.wav2mel.weight",
        f"{_FRONT}.bn1.weight",
        f"{_FRONT}.bn4.weight",
        *(f"{_IMAGE}.{name}.weight" for name in ("conv1.conv", "conv2.conv", "linear1.conv")),
        f"{_IMAGE}.blocks.0.conv.0.weight",
        f"{_IMAGE}.fc_out.weight",
        f"{_IMAGE}.cls.weight",
    )
    for name in needed:
        if name not in tensors:
            raise ValueError(f"these are not the weights of a TDNN-STgram: {name} is missing")
    bands, _, window = tensors[f"{_FRONT}.wav2mel.weight"].shape
    frames = tensors[f"{_FRONT}.bn4.weight"].shape[0]
    if tensors[f"{_FRONT}.bn1.weight"].shape[0] != frames + CONTEXT_FRAMES:
        raise ValueError(f"{_FRONT}.bn1.weight and bn4.weight do not belong to one network")
    features = dataclasses.replace(config.features, n_mels=bands, n_fft=window)
    projection, embedding = tensors[f"{_IMAGE}.fc_out.weight"].shape
    rows = tensors[f"{_IMAGE}.cls.weight"].shape[0]
    found = dataclasses.replace(
        config,
        features=features,
        clip=with_frames(config.clip, features.hop, frames),
        embedding=embedding,
        projection=projection,
        width=tensors[f"{_IMAGE}.conv1.conv.weight"].shape[0],
        stages=stgram_mfn.image_stages(tensors, _IMAGE, config.stages),
        head_channels=tensors[f"{_IMAGE}.conv2.conv.weight"].shape[0],
    )
    return found, rows // config.sub_centers


def load_weights(
    detector: STgramMFN, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """The state with these weights and a fresh optimiser.

    Raises:
        ValueError: tensors are missing, unknown or of other shapes.
    """
    network = detector.network(state.params, state.statistics)
    load_state_dict(network, tensors, rules(network))
    params, statistics = nnx.state(network, nnx.Param, ...)
    return state.replace(
        params=params, statistics=statistics, optimizer=detector.optimizer.init(params)
    )
