"""Which published systems' weights can be imported, and how their tensors are found in a file."""

import importlib
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import NamedTuple

import numpy as np

from asd_jax.config import DataConfig
from asd_jax.detectors.base import DetectorConfig

Tensors = Mapping[str, np.ndarray]


class Published(NamedTuple):
    """A published system.

    Attributes:
        config: `module:Class` of the detector's configuration.
        interop: module with `sizes` and `load_weights` for its tensors.
        data: what its models were trained on.
        parts: names that its networks have in published checkpoints, and the prefixes that `interop` knows them by.
    """

    config: str
    interop: str
    data: DataConfig
    parts: Mapping[str, str] = {}


_ONE_MODEL = DataConfig(dataset="dcase2020")
_BOTH_STAGES = DataConfig(dataset="dcase2020", train_stages=("dev", "eval"))
_MODEL_A_TYPE = DataConfig(dataset="dcase2020", one_model_per="machine_type")

PUBLISHED: dict[str, Published] = {
    "stgram_mfn": Published(
        "asd_jax.detectors.stgram_mfn:STgramMFNConfig",
        "asd_jax.interop.stgram_mfn",
        _BOTH_STAGES,
        {"clf": "arcface"},
    ),
    "tdnn_stgram": Published(
        "asd_jax.detectors.tdnn_stgram:TDNNSTgramConfig",
        "asd_jax.interop.tdnn_stgram",
        _ONE_MODEL,
    ),
    "aegan_ad": Published(
        "asd_jax.detectors.aegan_ad:AEGANADConfig",
        "asd_jax.interop.aegan_ad",
        _MODEL_A_TYPE,
        {
            **dict.fromkeys(("netG", "generator", "G_state_dict"), "G"),
            **dict.fromkeys(("netD", "discriminator", "D_state_dict"), "D"),
        },
    ),
    "anomaly_transformer": Published(
        "asd_jax.detectors.anomaly_transformer:AnomalyTransformerConfig",
        "asd_jax.interop.anomaly_transformer",
        _MODEL_A_TYPE,
    ),
    "mobilenetv2": Published(
        "asd_jax.detectors.mobilenetv2:MobileNetV2Config",
        "asd_jax.interop.mobilenetv2",
        DataConfig(dataset="dcase2021", one_model_per="machine_type"),
    ),
    "dense_autoencoder": Published(
        "asd_jax.detectors.dense_autoencoder:DenseAutoencoderConfig",
        "asd_jax.interop.dense_autoencoder",
        _MODEL_A_TYPE,
    ),
    "conv_autoencoder": Published(
        "asd_jax.detectors.conv_autoencoder:ConvAutoencoderConfig",
        "asd_jax.interop.conv_autoencoder",
        _ONE_MODEL,
    ),
    "linear_autoencoder": Published(
        "asd_jax.detectors.linear_autoencoder:LinearAutoencoderConfig",
        "asd_jax.interop.linear_autoencoder",
        _MODEL_A_TYPE,
    ),
}

# What a checkpoint holds beside a network, by the beginning of its name.
_NO_NETWORK = re.compile(r"(optim|opt_|sched|lr_|scaler)", re.IGNORECASE)
_WRAPPERS = {"module", "state_dict"}


def config_class(name: str) -> type[DetectorConfig]:
    """The configuration of a published system's detector."""
    module, _, kind = PUBLISHED[name].config.partition(":")
    return getattr(importlib.import_module(module), kind)


def interop(name: str) -> ModuleType:
    """The module that knows a published system's tensors."""
    return importlib.import_module(PUBLISHED[name].interop)


def find_network(
    name: str, tensors: Tensors, config: DetectorConfig
) -> tuple[dict[str, np.ndarray], DetectorConfig, int]:
    """The tensors of a system's network among all of a file.

    Args:
        name: key of `PUBLISHED`.
        tensors: a file's content; names may be nested in a checkpoint's keys, and DataParallel's `module`.
        config: the detector's settings, of which the sizes are replaced.

    Returns:
        The tensors under their published names, the configuration with their sizes, and their number of classes
        (0 where the network knows none).

    Raises:
        ValueError: the file is of another architecture.
    """
    sizes = interop(name).sizes
    reasons = []
    for view in _views(name, tensors):
        try:
            return view, *sizes(view, config)
        except (ValueError, IndexError) as error:
            reasons.append(str(error))
    held = ", ".join(f"{key} {list(tensors[key].shape)}" for key in sorted(tensors)[:4])
    raise ValueError(f"no weights of {name}: {reasons[0]}; {len(tensors)} tensors, such as {held}")


def left_out(tensors: Tensors, used: Tensors) -> list[str]:
    """Names of a file's tensors that are none of the network's: optimisers and counters of batches aside."""
    taken = {id(tensor) for tensor in used.values()}
    return sorted(
        name
        for name, tensor in tensors.items()
        if id(tensor) not in taken
        and not _NO_NETWORK.match(name)
        and not name.endswith("num_batches_tracked")
    )


def _views(name: str, tensors: Tensors) -> Iterator[dict[str, np.ndarray]]:
    """The tensors as they are, then those below each prefix, shallow ones first."""
    parts = PUBLISHED[name].parts
    plain = {
        _without_wrappers(key, parts): tensor
        for key, tensor in tensors.items()
        if not _NO_NETWORK.match(key)
    }
    ends = {key[: match.end()] for key in plain for match in re.finditer(r"[./]", key)}
    for prefix in ["", *sorted(ends, key=lambda end: (len(re.findall(r"[./]", end)), end))]:
        yield {
            _renamed(key.removeprefix(prefix), parts): tensor
            for key, tensor in plain.items()
            if key.startswith(prefix)
        }


def _without_wrappers(key: str, parts: Mapping[str, str]) -> str:
    if "/" in key:
        return key
    return _renamed(".".join(part for part in key.split(".") if part not in _WRAPPERS), parts)


def _renamed(key: str, parts: Mapping[str, str]) -> str:
    first, dot, rest = key.partition(".")
    return f"{parts.get(first, first)}{dot}{rest}"
