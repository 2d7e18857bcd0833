"""What is wrong with a checkpoint: of another network, of another number of processes, or damaged, as far as shown."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
import tensorstore

from asd_jax.training.differences import differing, listed

STATE, ITERATOR, CONFIGURATION = "state", "iterator", "configuration"
SEAL_FILE = "content.sha256"
_SHAPE_FILE = ".zarray"


class CheckpointContent:
    """The bytes of a checkpoint, read without building anything of them.

    Args:
        folder: of one checkpoint.

    Attributes:
        damage: why it cannot be read to its end; empty where it can.
        digest: SHA-256 of its numbers as they are stored.
        shapes: of its arrays, by their dotted names.
        configuration: the experiment that it was saved with; empty where that is not there.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.digest = ""
        self.damage = self._unreadable() or self._read_state() or self._unsealed()
        self.configuration = self._read_configuration()

    def _unreadable(self) -> str:
        for path in sorted(self._folder.rglob("*")):
            # A file that may not be read is no damaged one.
            if not os.access(path, os.R_OK):
                raise ValueError(f"{path} cannot be read: you have no permission for it")
        is_there = (self._folder / STATE).is_dir()
        return "" if is_there else f"it has no folder {STATE}"

    def _read_state(self) -> str:
        folder = (self._folder / STATE).absolute()
        base = {"driver": "file", "path": f"{folder}/"}
        try:
            json.loads((folder / "_METADATA").read_text())
            store = tensorstore.KvStore.open({"driver": "ocdbt", "base": base}).result()
            digest = hashlib.sha256()
            for key in sorted(store.list().result()):
                found = store.read(key).result()
                if found.state != "value":
                    return f"{STATE}: {key.decode()} is missing"
                value = found.value
                digest.update(b"%d %b %d " % (len(key), key, len(value)))
                digest.update(value)
                name, _, file = key.decode().rpartition("/")
                if file == _SHAPE_FILE:
                    self.shapes[name] = tuple(json.loads(value)["shape"])
        # TensorStore's errors are ValueErrors; what it reads of a broken file may be no JSON.
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"{STATE}: {_first_line(error)}"
        self.digest = digest.hexdigest()
        return "" if self.shapes else f"{STATE}: no array in it"

    def _unsealed(self) -> str:
        path = self._folder / SEAL_FILE
        # A training that was killed at once behind a checkpoint has not sealed it.
        if not path.is_file() or path.read_bytes().strip() == self.digest.encode():
            return ""
        return f"{STATE}: its numbers are not those that were saved"

    def _read_configuration(self) -> dict[str, Any]:
        try:
            content = json.loads((self._folder / CONFIGURATION / "metadata").read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def iterator_damage(self) -> str:
        """Why the iterator's state cannot be read; empty where it can.

        Raises:
            ValueError: another number of processes saved it.
        """
        own, processes = jax.process_index(), jax.process_count()
        path = self._folder / ITERATOR / f"process_{own}-of-{processes}.json"
        if not path.is_file():
            others = sorted((self._folder / ITERATOR).glob("process_*-of-*.json"))
            if not others:
                return f"{ITERATOR}: its file is missing"
            saved_by = others[0].stem.rpartition("-of-")[2]
            if saved_by != str(processes):
                raise ValueError(
                    f"the checkpoint {self._folder} is whole, but was saved by a training of {saved_by} processes; "
                    f"these are {processes}: start as many as then, or train under another --version"
                )
            return f"{ITERATOR}: {path.name} is missing"
        try:
            json.loads(path.read_text())
        except (OSError, ValueError) as error:
            return f"{ITERATOR}: {_first_line(error)}"
        return ""


def seal(folder: Path) -> None:
    """Keeps the digest of a checkpoint's numbers in it, so that a changed byte is noticed."""
    content = CheckpointContent(folder)
    if content.digest:
        unfinished = (folder / SEAL_FILE).with_suffix(".unfinished")
        unfinished.write_text(content.digest + "\n")
        unfinished.replace(folder / SEAL_FILE)


def require_same_network(
    folder: Path, content: CheckpointContent, target: Any, asked: Mapping[str, Any]
) -> None:
    """Checks that a readable checkpoint has the arrays that are asked for.

    Args:
        folder: of the checkpoint.
        content: of it.
        target: what is asked for, a tree of shapes.
        asked: the configuration that is asked for; empty where none is known.

    Raises:
        ValueError: it has others; the message names the settings that differ, or else the arrays.
    """
    wanted = _shapes(target)
    lines = [
        f"{name} is {_shape(content.shapes.get(name))} there, {_shape(wanted.get(name))} here"
        for name in sorted(content.shapes.keys() | wanted.keys())
        if content.shapes.get(name) != wanted.get(name)
    ]
    if not lines:
        return
    settings = differing(content.configuration, asked)
    reason = listed(settings or lines)
    raise ValueError(
        f"the checkpoint {folder} is whole, but of another network ({reason}): give the settings that it was trained "
        "with, or choose another --version or --workdir"
    )


def _shapes(target: Any) -> dict[str, tuple[int, ...]]:
    flat = ocp.tree.to_flat_dict(ocp.tree.serialize_tree(target, keep_empty_nodes=False))
    return {".".join(map(str, path)): tuple(leaf.shape) for path, leaf in flat.items()}


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(list(shape))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
