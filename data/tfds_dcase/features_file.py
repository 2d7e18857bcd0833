"""`features.json` names Python classes, which TFDS imports: only those of a dataset of this package are let through."""

import json
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from google.protobuf.json_format import ParseError
from tfds_dcase_command.invocation import command

from tfds_dcase.errors import ArchiveError

FEATURES_FILE = "features.json"
_MOST_BYTES = 1 << 20
_PREFIX = "tensorflow_datasets.core.features."
_ALLOWED = frozenset(
    _PREFIX + name
    for name in (
        "features_dict.FeaturesDict",
        "text_feature.Text",
        "class_label_feature.ClassLabel",
        "scalar.Scalar",
        "tensor_feature.Tensor",
        "audio_feature.Audio",
    )
)
_NAMES = frozenset({"pythonClassName", "type", "python_class_name"})
# What stands below these is text that TFDS parses once more: it may name further classes. This package writes none.
_HIDING = frozenset({"jsonFeature", "json_feature", "proto_cls"})


def _prepare() -> str:
    return command("prepare", "tfds-dcase")


def opened(folder: epath.Path | Path) -> tfds.core.DatasetBuilder:
    """The builder of a prepared dataset's version directory.

    Raises:
        ArchiveError: What the directory says of its content is missing, damaged or foreign.
    """
    folder = epath.Path(folder)
    require_own_features(folder)
    try:
        return tfds.builder_from_directory(folder)
    except (OSError, LookupError, TypeError, ValueError, AttributeError, ParseError) as error:
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise ArchiveError(
            f"{folder} is damaged ({type(error).__name__}: {reason}). Build it again: {_prepare()} with --rebuild"
        ) from error


def require_own_features(folder: epath.Path) -> None:
    """Checks the file before TFDS reads it.

    Raises:
        ArchiveError: It is missing, damaged, or names a class that no dataset of this package has.
    """
    path = folder / FEATURES_FILE
    cure = f"Build the dataset again: {_prepare()} with --rebuild"
    try:
        with path.open("rb") as file:
            too_long = len(file.read(_MOST_BYTES + 1)) > _MOST_BYTES
        if too_long:
            raise ArchiveError(f"{path} is too long for a list of features. {cure}")
        content = json.loads(path.read_text(encoding="utf-8"))
        named = set(_named(content))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ArchiveError):
            raise
        reason = "it is missing" if isinstance(error, FileNotFoundError) else f"{error}"
        raise ArchiveError(f"{path} is damaged ({reason}). {cure}") from error
    foreign = sorted(named - _ALLOWED)
    if foreign:
        raise ArchiveError(
            f"{path} names {foreign[0][:100]}, which no dataset of this package has: its code is not run. {cure}"
        )
    if not named:
        raise ArchiveError(f"{path} names no features. {cure}")


def _named(content: Any) -> list[str]:
    found: list[str] = []
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found += [str(value) for key, value in item.items() if key in _NAMES]
            found += [key for key in item if key in _HIDING]
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return found
