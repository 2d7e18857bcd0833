"""JSON files that may be foreign or damaged: bounded in size and depth, every key once, all numbers finite."""

import json
from pathlib import Path
from typing import Any

from tfds_dcase.regular_files import require_regular_file

MOST_BYTES = 1 << 26
_DEEPEST = 32


def read_json_object(path: Path, what: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        path: of the file.
        what: it should be, for the message: `a run's configuration`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no such JSON object; the message names it.
    """
    require_regular_file(path, what)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{path} has {size:,} bytes: {what} has at most {MOST_BYTES:,}")
    try:
        return parse_json_object(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged, it is not {what}: {error}") from error


def parse_json_object(text: str) -> dict[str, Any]:
    """As `read_json_object`, of a text.

    Raises:
        ValueError: it is no such JSON object.
    """
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError(f"its values are nested more than {_DEEPEST} deep") from error
    if not isinstance(content, dict):
        raise ValueError("it holds no object {...}")
    if _depth(content) > _DEEPEST:
        raise ValueError(f"its values are nested more than {_DEEPEST} deep")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"the key {twice[0]} stands twice in one object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number that JSON knows")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        nested = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, (dict, list))
        ]
        level = [part for parts in nested for part in parts]
    return deepest
