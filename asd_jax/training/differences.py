"""Which settings of two configurations differ, as a sentence that a person reads at a glance."""

from collections.abc import Mapping, Sequence
from typing import Any

_LISTED = 5
# What tells most about the mistake comes first: other data, another detector, another length.
_ORDER = ("data.", "detector.class", "training.", "detector.", "evaluation.", "")

_PLACES = ("data.data_dir", "data.incomplete", "data.expects")
"""Keys that say where the data lie and what is asked of them; the clips themselves are remembered otherwise."""


def differing(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Differing keys of two configurations as JSON objects, the telling ones first, as `key was A, is B`.

    A key that one of them lacks does not count: releases add keys. A detector's class counts by its name, wherever its
    file lies; the settings of two classes are not compared.
    """
    before, after = _flat(earlier), _flat(now)
    keys = [
        key
        for key in before.keys() & after.keys()
        if key not in _PLACES and not _same(key, before[key], after[key])
    ]
    if "detector.class" in keys:
        keys = [key for key in keys if not key.startswith("detector.") or key == "detector.class"]
    keys.sort(key=lambda key: (_rank(key), key))
    return [f"{key} was {_shown(before[key])}, is {_shown(after[key])}" for key in keys]


def listed(lines: Sequence[str], limit: int = _LISTED) -> str:
    """The first few of some names or sentences, and how many more there are."""
    more = len(lines) - limit
    return ", ".join(lines[:limit]) + (f", and {more:,} more" if more > 0 else "")


def _rank(key: str) -> int:
    return next(i for i, prefix in enumerate(_ORDER) if key.startswith(prefix))


def _same(key: str, before: Any, after: Any) -> bool:
    if key == "detector.class":
        return _class_name(before) == _class_name(after)
    return before == after


def _class_name(path: Any) -> str:
    return str(path).rpartition(":")[2]


def _shown(value: Any) -> str:
    return repr(tuple(value) if isinstance(value, list) else value)


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
