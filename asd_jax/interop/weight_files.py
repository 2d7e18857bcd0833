"""Tensors of published weight files by name, read without running anything that a file may carry.

PyTorch's nested checkpoints become names joined with dots; Keras's become `<layer>/<variable>`.
"""

import importlib
import io
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Tensors = dict[str, np.ndarray]

_KERAS_VARIABLES = {
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
_KERNEL_AND_BIAS = ("kernel", "bias")


def read_weights(path: Path) -> Tensors:
    """All tensors of a file, told by its ending: floating-point ones as float32.

    Args:
        path: PyTorch (.pt, .pth, .pth.tar, .bin, .ckpt), Keras (.h5, .hdf5, .weights.h5, .keras), .safetensors, or
            .npz with one array a tensor.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the ending is none of these, the package that reads it is missing, or the content is no weights.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weight file {path}")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: give a file that ends in {', '.join(_READERS)}")
    tensors = {name: _single(tensor) for name, tensor in reader(path).items()}
    if not tensors:
        raise ValueError(f"{path} holds no tensors")
    return tensors


def _single(tensor: np.ndarray) -> np.ndarray:
    return tensor.astype(np.float32) if np.issubdtype(tensor.dtype, np.floating) else tensor


def _read_npz(path: Path) -> Tensors:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no archive of plain arrays: {error}") from error


def _read_safetensors(path: Path) -> Tensors:
    numpy_reader = _needed("safetensors.numpy", path, "safetensors")
    try:
        return numpy_reader.load_file(path)
    except importlib.import_module("safetensors").SafetensorError as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error


def _read_torch(path: Path) -> Tensors:
    torch = _needed("torch", path, "pytorch")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise ValueError(
            f"{path} holds more than tensors, whose code is not run, or is damaged ({reason}): where you trust it, "
            "load it in PyTorch and save its state_dict() alone"
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a state dict")

    def array(tensor: Any) -> np.ndarray:
        tensor = tensor.detach()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()

    return {name: array(leaf) for name, leaf in _leaves(content) if torch.is_tensor(leaf)}


def _leaves(content: Mapping[Any, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Names joined with dots, and what is no mapping; counters and settings are among it."""
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        found += _leaves(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return found


def _read_keras(path: Path) -> Tensors:
    h5py = _needed("h5py", path, "keras")
    try:
        source: Any = path
        if path.suffix.lower() == ".keras":
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(source, "r") as file:
            root = file.get("model_weights", file)
            return _named_layers(root, h5py) if "layer_names" in root.attrs else _saved_layers(file)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as a Keras file: {error}") from error


def _named_layers(root: Any, h5py: ModuleType) -> Tensors:
    """Files of Keras 2, and those that Keras 3 writes in its format: a group a layer, datasets `.../kernel:0` below."""
    found: Tensors = {}
    for layer in root.attrs["layer_names"]:
        layer = layer.decode() if isinstance(layer, bytes) else str(layer)

        def take(name: str, item: Any, layer: str = layer) -> None:
            if isinstance(item, h5py.Dataset):
                found[f"{layer}/{name.rpartition('/')[2].partition(':')[0]}"] = item[()]

        root[layer].visititems(take)
    return found


def _saved_layers(file: Any) -> Tensors:
    """Files of Keras 3: groups `.../<class>_<number>/vars` of datasets `0`, `1`, ..., with the layer's name beside."""
    found: Tensors = {}

    def take(name: str, item: Any) -> None:
        above, _, last = name.rpartition("/")
        if last != "vars" or name.startswith("optimizer") or not len(item):
            return
        own = above.rpartition("/")[2]
        layer = item.attrs.get("name", own)
        kind = re.sub(r"_\d+$", "", own)
        variables = _KERAS_VARIABLES.get(kind, _KERNEL_AND_BIAS)
        for number in sorted(item, key=int):
            index = int(number)
            variable = variables[index] if index < len(variables) else number
            found[f"{layer}/{variable}"] = item[number][()]

    file.visititems(take)
    return found


def _needed(module: str, path: Path, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"reading {path.name} needs {module.partition('.')[0]}: pip install 'asd_jax[{extra}]'"
        ) from error


_READERS: dict[str, Callable[[Path], Tensors]] = {
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".tar": _read_torch,
    ".bin": _read_torch,
    ".ckpt": _read_torch,
    ".h5": _read_keras,
    ".hdf5": _read_keras,
    ".keras": _read_keras,
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
}
