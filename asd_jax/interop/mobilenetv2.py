"""Names of Keras's MobileNetV2 tensors (`<layer>/<variable>`), and where they live in `MobileNetV2`."""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np
from flax import nnx

from asd_jax.detectors.base import TrainState
from asd_jax.detectors.mobilenetv2 import MobileNetV2Baseline, MobileNetV2Config
from asd_jax.interop import keras
from asd_jax.interop.pytorch import Rule, load_state_dict
from asd_jax.nn.mobilenetv2 import InvertedStage, MobileNetV2, round_channels

# The factors that Keras publishes networks for.
_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


def rules(network: MobileNetV2) -> dict[str, Rule]:
    """One rule a tensor of the Keras model."""
    found: dict[str, Rule] = {
        "Conv1/kernel": (("stem",), keras.same),
        **keras.batch_norm("bn_Conv1", ("stem_norm",)),
        "Conv_1/kernel": (("head",), keras.pointwise),
        **keras.batch_norm("Conv_1_bn", ("head_norm",)),
        **keras.dense("predictions", ("classifier",)),
    }
    parts = {
        "expand": keras.pointwise,
        "depthwise": keras.depthwise,
        "project": keras.pointwise,
    }
    mine = {"expand": "expand", "depthwise": "filter", "project": "project"}
    for i, block in enumerate(network.blocks):
        for part, transform in parts.items():
            if part == "expand" and not block.expands:
                continue
            layer = f"{_block(i)}_{part}"
            found[f"{layer}/kernel"] = (("blocks", i, mine[part]), transform)
            found |= keras.batch_norm(f"{layer}_BN", ("blocks", i, f"{mine[part]}_norm"))
    return found


def sizes(
    tensors: Mapping[str, np.ndarray], config: MobileNetV2Config
) -> tuple[MobileNetV2Config, int]:
    """The configuration with the sizes of these tensors, and their number of classes.

    Strides cannot be read off and stay as in `config`. Channels that no published `alpha` makes of the configured
    stages are spelled out, one stage a block, with `alpha` 1.

    Raises:
        ValueError: a tensor is missing.
    """
    for name in ("Conv1", _block(0) + "_project", "Conv_1", "predictions"):
        if f"{name}/kernel" not in tensors:
            raise ValueError(
                f"these are not the weights of a MobileNetV2: {name}/kernel is missing"
            )
    image_channels, width = tensors["Conv1/kernel"].shape[2:]
    head, classes = tensors["predictions/kernel"].shape
    config = dataclasses.replace(config, image_channels=image_channels, head_channels=head)
    blocks = _blocks(tensors)
    for alpha in (config.alpha, *_ALPHAS):
        candidate = dataclasses.replace(config, alpha=alpha)
        if round_channels(config.width * alpha) == width and _shapes(candidate) == blocks:
            # Only an alpha above 1 multiplies the head.
            head_channels = round(head / alpha) if alpha > 1 else head
            return dataclasses.replace(candidate, head_channels=head_channels), classes
    strides = [stride for *_, n, first in config.stages for stride in [first] + [1] * (n - 1)]
    stages = tuple(
        (expansion, channels, 1, strides[i] if i < len(strides) else 1)
        for i, (expansion, channels) in enumerate(blocks)
    )
    return dataclasses.replace(config, alpha=1.0, width=width, stages=stages), classes


def load_weights(
    detector: MobileNetV2Baseline, state: TrainState, tensors: Mapping[str, np.ndarray]
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


def _block(i: int) -> str:
    return f"block_{i}" if i else "expanded_conv"


def _blocks(tensors: Mapping[str, np.ndarray]) -> list[tuple[int, int]]:
    """Expansion and output channels of every block, in order."""
    numbers = {int(match[1]) for name in tensors if (match := re.match(r"block_(\d+)_", name))}
    found: list[tuple[int, int]] = []
    before = tensors["Conv1/kernel"].shape[3]
    for i in range(len(numbers) + 1):
        name = f"{_block(i)}_project/kernel"
        if name not in tensors:
            raise ValueError(f"these are not the weights of a MobileNetV2: {name} is missing")
        hidden, after = tensors[name].shape[2:]
        found.append((hidden // before, after))
        before = after
    return found


def _shapes(config: MobileNetV2Config) -> list[tuple[int, int]]:
    stages: tuple[InvertedStage, ...] = config.stages
    return [
        (expansion, round_channels(channels * config.alpha))
        for expansion, channels, repetitions, _ in stages
        for _ in range(repetitions)
    ]
