"""Names of the published Anomaly Transformer's PyTorch tensors, and where they live in our network.

Two kinds of tensors are passed over knowingly: `attention.norm`, which the published layer owns but never applies, and
the table of positions, which is computed.
"""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from flax import nnx

from asd_jax.detectors.anomaly_attention import AnomalyTransformerNetwork
from asd_jax.detectors.anomaly_transformer import AnomalyTransformer, AnomalyTransformerConfig
from asd_jax.detectors.base import TrainState
from asd_jax.detectors.minimax import MinimaxLearner
from asd_jax.interop import pytorch
from asd_jax.interop.pytorch import Rule

_EMBEDDING = "embedding.value_embedding.tokenConv.weight"
_PROJECTION = "projection.weight"
_LINEARS = {
    "attention.query_projection": ("attention", "query"),
    "attention.key_projection": ("attention", "key"),
    "attention.value_projection": ("attention", "value"),
    "attention.sigma_projection": ("attention", "sigma"),
    "attention.out_projection": ("attention", "out"),
}
_WIDTH_ONE_CONVOLUTIONS = {"conv1": "expand", "conv2": "contract"}
_NORMS = {"norm1": "attention_norm", "norm2": "norm"}


def width_one_conv1d(tensor: np.ndarray) -> np.ndarray:
    """`[out, in, 1]` to `[in, out]`."""
    return tensor[:, :, 0].T


def is_unused(name: str) -> bool:
    """Whether a published tensor takes no part in any result, or is computed here."""
    return ".attention.norm." in name or ".position_embedding." in name


def rules(network: AnomalyTransformerNetwork) -> dict[str, Rule]:
    """One rule a used tensor of the published state dict."""
    found: dict[str, Rule] = {
        _EMBEDDING: (("value_embedding", "kernel"), pytorch.conv1d),
        **_affine("encoder.norm", ("norm",), "scale", pytorch.same),
        **_affine("projection", ("projection",), "kernel", pytorch.linear),
    }
    for i in range(len(network.layers)):
        theirs, ours = f"encoder.attn_layers.{i}", ("layers", i)
        for name, path in _LINEARS.items():
            found |= _affine(f"{theirs}.{name}", (*ours, *path), "kernel", pytorch.linear)
        for name, mine in _WIDTH_ONE_CONVOLUTIONS.items():
            found |= _affine(f"{theirs}.{name}", (*ours, mine), "kernel", width_one_conv1d)
        for name, mine in _NORMS.items():
            found |= _affine(f"{theirs}.{name}", (*ours, mine), "scale", pytorch.same)
    return found


def _affine(source: str, target: tuple[str | int, ...], factor: str, transform) -> dict[str, Rule]:
    return {
        f"{source}.weight": ((*target, factor), transform),
        f"{source}.bias": ((*target, "bias"), pytorch.same),
    }


def sizes(
    tensors: Mapping[str, np.ndarray], config: AnomalyTransformerConfig
) -> tuple[AnomalyTransformerConfig, int]:
    """The configuration with every size that the tensors' shapes tell, and 0: the network knows no classes.

    The channels become mel bands. `excerpt_frames` stays: any window length fits the tensors.

    Raises:
        ValueError: the tensors are of another architecture.
    """
    channels = len(_required(tensors, _PROJECTION))
    if channels != _required(tensors, _EMBEDDING).shape[1]:
        raise ValueError(
            f"these weights reconstruct {channels} channels from "
            f"{tensors[_EMBEDDING].shape[1]}: a detector needs as many as it hears"
        )
    first = "encoder.attn_layers.0"
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.attn_layers.")}
    found = dataclasses.replace(
        config,
        features=dataclasses.replace(config.features, n_mels=channels),
        width=len(_required(tensors, _EMBEDDING)),
        heads=len(_required(tensors, f"{first}.attention.sigma_projection.weight")),
        feed_forward=len(_required(tensors, f"{first}.conv1.weight")),
        layers=len(layers),
    )
    return found, 0


def _required(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in tensors:
        raise ValueError(f"these weights are of no Anomaly Transformer: {name} is missing")
    return np.asarray(tensors[name])


def load_weights(
    detector: AnomalyTransformer, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """The state with published weights; its statistics, which scale the log-mels, stay.

    Raises:
        ValueError: the tensors do not fit the detector's network.
    """
    return load_into(detector.learner, state, tensors)


def load_into(
    learner: MinimaxLearner, state: TrainState, tensors: Mapping[str, np.ndarray]
) -> TrainState:
    """As `load_weights`, for any detector's learner."""
    network = learner.network(jax.random.key(0))
    used = {name: tensor for name, tensor in tensors.items() if not is_unused(name)}
    pytorch.load_state_dict(network, used, rules(network))
    params = nnx.state(network, nnx.Param)
    return state.replace(params=params, optimizer=learner.optimizer.init(params))
