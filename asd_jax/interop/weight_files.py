"""Tensors of published weight files by name, read without running anything that a file may carry.

PyTorch's nested checkpoints become names joined with dots; Keras's become `<layer>/<variable>`.
"""

import contextlib
import importlib
import io
import math
import pickle
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from absl import logging
from tfds_dcase.regular_files import require_regular_file

Tensors = dict[str, np.ndarray]

_KERAS_VARIABLES = {
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
_KERNEL_AND_BIAS = ("kernel", "bias")
_MOST_TIMES = 16
_ALWAYS_ALLOWED = 1 << 26
"""A file may become so many times its own bytes in memory, and so many bytes whatever its size: trained weights hardly
compress, and a small file that asks for gigabytes is damaged or an attack."""
_DEEPEST = 32
# Settings and counters that usual checkpoints hold beside tensors.
_NO_SCORE = re.compile(
    r"(.*\.)?(epoch|step|iter|loss|lr|best|seed|time|version|arch|args|config|optim|sched|scaler)",
    re.IGNORECASE,
)
# What the readers raise on a file that is not what its ending says; each time with the cause kept.
_UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Refused(ValueError):
    """What is wrong with a file, in words of its own."""


def read_weights(path: Path) -> Tensors:
    """All tensors of a file, told by its ending: floating-point ones as float32.

    Args:
        path: PyTorch (.pt, .pth, .pth.tar, .bin, .ckpt), Keras (.h5, .hdf5, .weights.h5, .keras), .safetensors, or
            .npz with one array a tensor.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the ending is none of these, the package that reads it is missing, the content is no weights, or it
            asks for far more memory than the file has bytes.
    """
    require_regular_file(path, "a weight file")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: give a file that ends in {', '.join(_READERS)}")
    tensors = {name: _single(path, name, tensor) for name, tensor in reader(path).items()}
    if not tensors:
        raise ValueError(f"{path} holds no tensors")
    return tensors


def _single(path: Path, name: str, tensor: np.ndarray) -> np.ndarray:
    if tensor.dtype.kind not in "fiub":
        raise ValueError(f"{path}: {name} holds {tensor.dtype}, not real numbers")
    return tensor.astype(np.float32) if tensor.dtype.kind == "f" else tensor


def _require_bounded(path: Path, wanted: int) -> None:
    """Refuses a file whose tensors would take far more memory than it has bytes."""
    held = path.stat().st_size
    if wanted > max(_MOST_TIMES * held, _ALWAYS_ALLOWED):
        raise _Refused(
            f"{path} has {held:,} bytes and asks for {wanted:,} in memory: it is damaged, or made to exhaust it. "
            "Where you trust it, load it in its framework and save copies of the tensors"
        )


@contextlib.contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """One sentence for whatever a reader says of a file that is not what its ending promises."""
    try:
        yield
    except _Refused:
        raise
    except _UNREADABLE as error:
        reason = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
        raise ValueError(f"{path} {what}: {reason}") from error


def _require_bounded_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        _require_bounded(path, sum(entry.file_size for entry in archive.infolist()))


def _read_npz(path: Path) -> Tensors:
    with _reading(path, "is no archive of plain arrays"):
        _require_bounded_zip(path)
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _require_whole_array(path, archive, entry)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}


def _require_whole_array(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """The header may ask for no more than the entry holds: numpy makes room for it first."""
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise _Refused(f"{path}: {entry.filename} is an array of numpy format {version}")
        shape, _, dtype = read(file)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > entry.file_size:
        raise _Refused(
            f"{path}: {entry.filename} says {list(shape)} {dtype}, but holds {entry.file_size:,} bytes"
        )


def _read_safetensors(path: Path) -> Tensors:
    numpy_reader = _needed("safetensors.numpy", path, "safetensors")
    try:
        with _reading(path, "cannot be read as safetensors"):
            return numpy_reader.load_file(path)
    except importlib.import_module("safetensors").SafetensorError as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error


def _read_torch(path: Path) -> Tensors:
    torch = _needed("torch", path, "pytorch")
    with _reading(
        path,
        "holds more than tensors, whose code is not run, or is damaged; where you trust it, load it in PyTorch and "
        "save its state_dict() alone",
    ):
        if zipfile.is_zipfile(path):
            _require_bounded_zip(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a state dict")
    leaves = _leaves(path, content)
    tensors = {name: leaf for name, leaf in leaves if torch.is_tensor(leaf)}
    for name, tensor in tensors.items():
        _require_plain(path, name, tensor, torch)
    _require_bounded(path, sum(t.numel() * t.element_size() for t in tensors.values()))
    _name_what_is_no_tensor(path, [name for name, leaf in leaves if not torch.is_tensor(leaf)])

    def array(tensor: Any) -> np.ndarray:
        tensor = tensor.detach()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()

    return {name: array(tensor) for name, tensor in tensors.items()}


def _require_plain(path: Path, name: str, tensor: Any, torch: ModuleType) -> None:
    kinds = {
        "sparse": tensor.layout is not torch.strided,
        "nested": tensor.is_nested,
        "quantised": tensor.is_quantized,
        "complex": tensor.is_complex(),
        "without values (meta)": tensor.is_meta,
        "lazily negated": not tensor.is_nested and tensor.is_neg(),
    }
    found = [kind for kind, applies in kinds.items() if applies]
    if found:
        raise ValueError(
            f"{path}: {name} is {' and '.join(found)}: where you trust the file, load it in PyTorch and save plain "
            "dense tensors (dequantize(), to_dense(), contiguous())"
        )
    held = tensor.untyped_storage().nbytes()
    wanted = tensor.numel() * tensor.element_size()
    if wanted > held:
        raise ValueError(
            f"{path}: {name} says {list(tensor.shape)}, {wanted:,} bytes, but holds {held:,}: an expanded tensor. "
            "Where you trust the file, load it in PyTorch and save its clone()"
        )


def _name_what_is_no_tensor(path: Path, names: list[str]) -> None:
    named = sorted(name for name in names if not _NO_SCORE.match(name))
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        logging.warning(
            "%s: not imported, since it is no tensor: %s%s. A published score that rests on it will differ",
            path,
            ", ".join(named[:5]),
            more,
        )


def _leaves(
    path: Path, content: Mapping[Any, Any], prefix: str = "", depth: int = 0
) -> list[tuple[str, Any]]:
    """Names joined with dots, and what is no mapping; counters and settings are among it."""
    if depth > _DEEPEST:
        raise ValueError(f"{path} nests its names more than {_DEEPEST} deep, or without an end")
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found += _leaves(path, value, f"{name}.", depth + 1)
        else:
            found.append((name, value))
    return found


def _read_keras(path: Path) -> Tensors:
    h5py = _needed("h5py", path, "keras")
    with _reading(path, "cannot be read as a Keras file"):
        source: Any = path
        if path.suffix.lower() == ".keras":
            _require_bounded_zip(path)
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(source, "r") as file:
            _require_plain_datasets(path, file, h5py)
            root = file.get("model_weights", file)
            return _named_layers(root, h5py) if "layer_names" in root.attrs else _saved_layers(file)


def _require_plain_datasets(path: Path, file: Any, h5py: ModuleType) -> None:
    """Before anything is read: their sizes together, and that none takes its values from another file."""
    sizes: list[int] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise _Refused(f"{path}: {name} takes its values from another file")
            sizes.append(item.size * item.dtype.itemsize if item.shape is not None else 0)

    file.visititems(look)
    _require_bounded(path, sum(sizes))


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
