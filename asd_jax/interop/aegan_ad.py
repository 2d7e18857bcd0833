"""Names of the published AEGAN-AD's PyTorch tensors, and where they live in our networks.

The two state dicts are read as one: the generator's names are prefixed `G.`, the discriminator's `D.`.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from flax import nnx

from asd_jax.detectors.aegan_ad import AEGANAD, AEGANADConfig
from asd_jax.detectors.aegan_networks import Discriminator, Generator
from asd_jax.detectors.base import TrainState
from asd_jax.interop import pytorch
from asd_jax.interop.pytorch import Rule, batch_norm, load_state_dict
from asd_jax.nn.layers import BatchNorm
from asd_jax.nn.normalisation import LayerNorm, NoNorm, Norm, NormKind

PREFIXES = {"generator": "G.", "discriminator": "D."}

Path = tuple[str | int, ...]


def rules(network: Generator | Discriminator) -> dict[str, Rule]:
    """One rule a tensor of the network's own state dict, without prefix."""
    return _generator(network) if isinstance(network, Generator) else _discriminator(network)


def load_weights(
    detector: AEGANAD, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """The state with these weights and running statistics, and with fresh optimisers.

    The range of levels is no part of the published weights: let the detector `observe` the training clips.

    Raises:
        ValueError: tensors are missing, unknown, or of another shape.
    """
    params, statistics = {}, dict(state.statistics)
    for name in PREFIXES:
        network = detector.network(name, state.params[name], state.statistics[name])
        load_state_dict(network, _under(tensors, PREFIXES[name]), rules(network))
        params[name], statistics[name] = nnx.state(network, nnx.Param, ...)
    optimizer = {name: detector.optimizers[name].init(params[name]) for name in params}
    return state.replace(params=params, statistics=statistics, optimizer=optimizer)


def sizes(tensors: Mapping[str, np.ndarray], config: AEGANADConfig) -> tuple[AEGANADConfig, int]:
    """The config with all that the shapes tell, and 0 classes; windows and training settings stay as they are.

    Raises:
        ValueError: the tensors are those of another architecture.
    """
    generator, discriminator = (_under(tensors, prefix) for prefix in PREFIXES.values())
    encoder = _convolutions(generator, "Encoder.main.", "G.")
    decoder = _convolutions(generator, "Decoder.main.", "G.")
    if "main.0.0.weight" not in discriminator:
        raise ValueError("these are no weights of AEGAN-AD: D.main.0.0.weight is missing")
    second, third = encoder[1], encoder[-1]
    has_norm = third - encoder[-2] == 3
    kind = _kind(generator, f"Encoder.main.{encoder[-2] + 1}.weight") if has_norm else "none"
    found = dataclasses.replace(
        config,
        features=dataclasses.replace(config.features, n_mels=4 << (len(encoder) - 1)),
        encoder_channels=len(generator[f"Encoder.main.{encoder[0]}.weight"]),
        decoder_channels=generator[f"Decoder.main.{decoder[-1]}.weight"].shape[0],
        latent=len(generator[f"Encoder.main.{encoder[-1]}.weight"]),
        generator_norm=kind,
        discriminator_norm=_kind(discriminator, "main.0.1.weight"),
        first_norm=second - encoder[0] == 3,
    )
    return found, 0


def _generator(network: Generator) -> dict[str, Rule]:
    encoder, decoder = network.encoder, network.decoder
    found: dict[str, Rule] = {}
    index = 0
    for i, norm in enumerate(encoder.norms):
        source, path = f"Encoder.main.{index}", ("encoder", "convolutions", i, "kernel")
        found[f"{source}.weight"] = (path, pytorch.conv2d)
        found |= _norm(f"Encoder.main.{index + 1}", ("encoder", "norms", i), norm)
        index += 2 if isinstance(norm, NoNorm) else 3
    found[f"Encoder.main.{index}.weight"] = (("encoder", "head", "kernel"), pytorch.conv2d)
    index = 0
    for i in range(len(decoder.convolutions)):
        path = ("decoder", "convolutions", i, "kernel")
        found[f"Decoder.main.{index}.weight"] = (path, pytorch.conv_transpose2d)
        if i < len(decoder.norms):
            norm = decoder.norms[i]
            found |= _norm(f"Decoder.main.{index + 1}", ("decoder", "norms", i), norm)
            index += 2 if isinstance(norm, NoNorm) else 3
    return found


def _discriminator(network: Discriminator) -> dict[str, Rule]:
    found: dict[str, Rule] = {
        "feat_extract_layer.0.weight": (("pool", "kernel"), pytorch.depthwise),
        "output_layer.0.weight": (("feature_norm", "scale"), pytorch.same),
        "output_layer.0.bias": (("feature_norm", "bias"), pytorch.same),
        "output_layer.2.weight": (("output", "kernel"), pytorch.linear),
        "output_layer.2.bias": (("output", "bias"), pytorch.same),
    }
    for i, norm in enumerate(network.norms):
        found[f"main.{i}.0.weight"] = (("convolutions", i, "kernel"), pytorch.conv2d)
        found |= _norm(f"main.{i}.1", ("norms", i), norm)
    return found


def _norm(source: str, target: Path, norm: Norm) -> dict[str, Rule]:
    if isinstance(norm, BatchNorm):
        return batch_norm(source, target)
    if isinstance(norm, LayerNorm):
        return {
            f"{source}.weight": ((*target, "scale"), _channels_last),
            f"{source}.bias": ((*target, "bias"), _channels_last),
        }
    return {}


def _channels_last(tensor: np.ndarray) -> np.ndarray:
    """`[channels, height, width]` to `[height, width, channels]`."""
    return tensor.transpose(1, 2, 0)


def _under(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _convolutions(tensors: Mapping[str, np.ndarray], source: str, prefix: str) -> Sequence[int]:
    """Places of the convolutions in a sequence of layers."""
    found = sorted(
        int(name.removeprefix(source).removesuffix(".weight"))
        for name, tensor in tensors.items()
        if name.startswith(source) and tensor.ndim == 4
    )
    if len(found) < 2:
        missing = f"{prefix}{source}{found[-1] + 3 if found else 0}.weight"
        raise ValueError(f"these are no weights of AEGAN-AD: {missing} is missing")
    return found


def _kind(tensors: Mapping[str, np.ndarray], name: str) -> NormKind:
    if name not in tensors:
        return "instance"
    return "layer" if tensors[name].ndim == 3 else "batch"
