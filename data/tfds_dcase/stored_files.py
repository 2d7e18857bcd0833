"""`files.json`: sizes and digests of a prepared dataset's files, recorded once every record was read back."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from tfds_dcase_command.invocation import command

from tfds_dcase.errors import ArchiveError
from tfds_dcase.index import INDEX, index_cure
from tfds_dcase.owners import numbers_for_names

STORED_FILES = "files.json"
_MOST_BYTES = 16 << 20
_BLOCK = 1 << 20
# A dataset is nothing without them. Records of before clips.csv was recorded are without it.
_ALWAYS = frozenset({"archives.json", "dataset_info.json", "features.json"})


def cure() -> str:
    """What to do about damaged files."""
    return f"Prepare the dataset again: {command('prepare', 'tfds-dcase')} with --rebuild"


def write_stored_files(folder: Path) -> None:
    """Records the size and the SHA-256 of every file of a dataset's version directory."""
    stored = {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in _files(folder)
    }
    unfinished = folder / f".{STORED_FILES}.unfinished"
    unfinished.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder / STORED_FILES)


def is_recorded(folder: epath.Path | Path) -> bool:
    """Whether a dataset has a record of all its files; some that were prepared earlier have none or a shorter one."""
    return INDEX in _recorded(folder)


def require_files(builder: tfds.core.DatasetBuilder, folder: epath.Path | Path) -> None:
    """Checks what is cheap: every shard is there, every recorded file has its size, all but shards their content.

    A `clips.csv` that is not there is no fault here: it makes a dataset an unfinished one.

    Raises:
        ArchiveError: With all files that are missing or are not as they were built.
    """
    recorded = _recorded(folder)
    shards = {
        epath.Path(name).name for split in builder.info.splits.values() for name in split.filenames
    }
    foreign = sorted(shards - recorded.keys()) if recorded else []
    faults = [f"{name} is not of this dataset" for name in foreign]
    for name in sorted((shards | recorded.keys()) - {INDEX}):
        size = _size(folder / name)
        expected = recorded.get(name, {}).get("bytes", size)
        if size is None:
            faults.append(f"{name} is missing")
        elif size != expected:
            faults.append(f"{name} has {size} bytes, built were {expected}")
        elif name in recorded and name not in shards and not _as_recorded(folder, name, recorded):
            faults.append(_changed(name))
    _raise(folder, faults)
    if (
        INDEX in recorded
        and (folder / INDEX).is_file()
        and not _as_recorded(folder, INDEX, recorded)
    ):
        raise ArchiveError(f"{folder / INDEX} is damaged: {_changed(INDEX)}. {index_cure()}")


def require_digests(folder: Path, on_file: Callable[[int], None]) -> None:
    """Reads every recorded file and compares its SHA-256.

    Args:
        folder: The dataset's version directory.
        on_file: Called after each file with its bytes.

    Raises:
        ArchiveError: With all files whose content is another.
    """
    recorded = _recorded(folder)
    faults = []
    for name, known in sorted(recorded.items()):
        # What clips.csv holds was compared when the dataset was opened; it may be absent.
        if name != INDEX and not _as_recorded(folder, name, recorded):
            faults.append(_changed(name))
        on_file(int(known["bytes"]))
    _raise(folder, faults)


def count_of_files(folder: Path) -> int:
    """How many files `require_digests` reads."""
    return len(_recorded(folder))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name != STORED_FILES:
            yield path


def _changed(name: str) -> str:
    return f"{name} has another content than was built"


def _as_recorded(
    folder: epath.Path | Path, name: str, recorded: Mapping[str, Mapping[str, Any]]
) -> bool:
    return _sha256(folder / name) == recorded[name]["sha256"]


def _sha256(path: epath.Path | Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            content.update(block)
    return content.hexdigest()


def _size(path: epath.Path | Path) -> int | None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if isinstance(path, Path):
            return path.stat().st_size
        with numbers_for_names():
            return int(path.stat().length)
    return None


def _recorded(folder: epath.Path | Path) -> Mapping[str, Mapping[str, Any]]:
    path = folder / STORED_FILES
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError("it is too long")
        stored = json.loads(content)
        for name, known in stored.items():
            if "/" in name or type(known["bytes"]) is not int or type(known["sha256"]) is not str:
                raise ValueError(f"the entry {name[:100]!r} is none of a file")
        if lacking := sorted(_ALWAYS - stored.keys()):
            raise ValueError(f"it lacks {', '.join(lacking)}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(f"{path} is damaged ({error}). {cure()}") from error
    return dict(stored)


def _raise(folder: epath.Path | Path, faults: list[str]) -> None:
    if faults:
        raise ArchiveError(f"{folder} is damaged: {'; '.join(faults)}. {cure()}")
