"""Names of the published STgram-MFN's PyTorch tensors, and where they live in `STgramNetwork`."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from flax import nnx

from asd_jax.detectors.base import TrainState
from asd_jax.detectors.stgram_mfn import STgramMFN, STgramMFNConfig, STgramNetwork
from asd_jax.interop import pytorch
from asd_jax.interop.conv_autoencoder import with_frames
from asd_jax.interop.pytorch import Rule, batch_norm, load_state_dict
from asd_jax.nn.mobilefacenet import BottleneckStage


def rules(network: STgramNetwork) -> dict[str, Rule]:
    """One rule a tensor of the published state dict."""
    found: dict[str, Rule] = {
        "arcface.weight": (("arcface", "weight"), pytorch.same),
        "tgramnet.conv_extrctor.weight": (("tgram", "filters"), pytorch.strided_filters),
        "mobilefacenet.fc_out.weight": (("linear", "kernel"), pytorch.linear),
        "mobilefacenet.fc_out.bias": (("linear", "bias"), pytorch.same),
    }
    for i in range(len(network.tgram.norms)):
        block = f"tgramnet.conv_encoder.{i}"
        found[f"{block}.0.weight"] = (("tgram", "norms", i, "scale"), pytorch.same)
        found[f"{block}.0.bias"] = (("tgram", "norms", i, "bias"), pytorch.same)
        found[f"{block}.2.weight"] = (("tgram", "convolutions", i, "kernel"), pytorch.conv1d)
    return found | _image_network(
        "mobilefacenet", ("image_network",), len(network.image_network.blocks)
    )


def sizes(
    tensors: Mapping[str, np.ndarray], config: STgramMFNConfig
) -> tuple[STgramMFNConfig, int]:
    """The configuration with the sizes of these tensors, and their number of classes.

    Strides, hop and the number of sub-centres cannot be read off and stay as in `config`; so does the window's length
    where it makes as many frames as the tensors expect, otherwise it becomes the shortest that does.

    Raises:
        ValueError: a tensor is missing.
    """
    filters, norm = "tgramnet.conv_extrctor.weight", "tgramnet.conv_encoder.0.0.weight"
    convolutions = [f"mobilefacenet.{name}.conv.weight" for name in ("conv1", "conv2", "linear1")]
    for name in (filters, norm, *convolutions, "arcface.weight"):
        if name not in tensors:
            raise ValueError(f"these are not the weights of an STgram-MFN: {name} is missing")
    bands, _, window = tensors[filters].shape
    width, head_channels, embedding = (tensors[name].shape[0] for name in convolutions)
    features = dataclasses.replace(config.features, n_mels=bands, n_fft=window)
    found = dataclasses.replace(
        config,
        features=features,
        clip=with_frames(config.clip, features.hop, tensors[norm].shape[0]),
        embedding=embedding,
        width=width,
        stages=image_stages(tensors, "mobilefacenet", config.stages),
        head_channels=head_channels,
    )
    return found, tensors["arcface.weight"].shape[0] // config.sub_centers


def image_stages(
    tensors: Mapping[str, np.ndarray], source: str, known: tuple[BottleneckStage, ...]
) -> tuple[BottleneckStage, ...]:
    """The bottleneck stages: `known` where the tensors agree, else one a block, with the strides of `known`."""
    expected = [
        (expansion, channels, stride if i == 0 else 1)
        for expansion, channels, repetitions, stride in known
        for i in range(repetitions)
    ]
    shapes: list[tuple[int, int]] = []
    while f"{source}.blocks.{len(shapes)}.conv.6.weight" in tensors:
        block = f"{source}.blocks.{len(shapes)}.conv"
        hidden, before = tensors[f"{block}.0.weight"].shape[:2]
        shapes.append((hidden // before, tensors[f"{block}.6.weight"].shape[0]))
    if shapes == [(expansion, channels) for expansion, channels, _ in expected]:
        return known
    strides = [stride for *_, stride in expected] + [1] * len(shapes)
    return tuple((*shape, 1, stride) for shape, stride in zip(shapes, strides, strict=False))


def load_weights(
    detector: STgramMFN, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """The state with these weights and running statistics, and a fresh optimiser.

    Raises:
        ValueError: tensors are missing, unknown or of other shapes.
    """
    network = detector.network(state.params, state.statistics)
    load_state_dict(network, tensors, rules(network))
    params, statistics = nnx.state(network, nnx.Param, ...)
    return state.replace(
        params=params, statistics=statistics, optimizer=detector.optimizer.init(params)
    )


def _image_network(source: str, target: tuple[str | int, ...], blocks: int) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    stages = {
        "conv1": ("stem", pytorch.conv2d, True),
        "dw_conv1": ("stem_filter", pytorch.depthwise, True),
        "conv2": ("head", pytorch.pointwise, True),
        "linear7": ("pool", pytorch.depthwise, False),
        "linear1": ("embed", pytorch.pointwise, False),
    }
    for theirs, (mine, transform, has_activation) in stages.items():
        name = f"{source}.{theirs}"
        kernel = (*target, mine, "kernel")
        found[f"{name}.conv.weight"] = (kernel, transform)
        found |= batch_norm(f"{name}.bn", (*target, f"{mine}_norm"))
        if has_activation:
            found[f"{name}.prelu.weight"] = ((*target, f"{mine}_activation", "slope"), pytorch.same)
    for i in range(blocks):
        found |= _bottleneck(f"{source}.blocks.{i}.conv", (*target, "blocks", i))
    return found


def _bottleneck(source: str, target: tuple[str | int, ...]) -> dict[str, Rule]:
    return {
        f"{source}.0.weight": ((*target, "expand", "kernel"), pytorch.pointwise),
        **batch_norm(f"{source}.1", (*target, "expand_norm")),
        f"{source}.2.weight": ((*target, "expand_activation", "slope"), pytorch.same),
        f"{source}.3.weight": ((*target, "filter", "kernel"), pytorch.depthwise),
        **batch_norm(f"{source}.4", (*target, "filter_norm")),
        f"{source}.5.weight": ((*target, "filter_activation", "slope"), pytorch.same),
        f"{source}.6.weight": ((*target, "project", "kernel"), pytorch.pointwise),
        **batch_norm(f"{source}.7", (*target, "project_norm")),
    }
