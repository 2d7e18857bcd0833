"""Text and JSON to values of annotated dataclass fields."""

import ast
import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from asd_jax.ranges import value_faults

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def field_types(kind: type) -> dict[str, Any]:
    """The resolved annotations of a dataclass's fields."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def parse_text(kind: Any, text: str) -> Any:
    """Reads a command line's text as a value of an annotated type.

    Tuples are written with commas (`fan,pump`), nested ones as Python literals (`((2,128,2,2),)`).

    Raises:
        ValueError: the text is no such value.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        if text not in arguments:
            raise ValueError(f"choose one of {', '.join(map(str, arguments))}")
        return text
    if origin is tuple:
        return _parse_tuple(arguments, text)
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError("expected true or false")
        return _BOOLEANS[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError(
                f"expected {'a whole number' if kind is int else 'a number'}"
            ) from None
    if kind is str:
        return text
    raise ValueError(f"a value of type {kind} cannot be given as text")


def _parse_tuple(arguments: tuple[Any, ...], text: str) -> Any:
    item = arguments[0]
    if typing.get_origin(item) is tuple:
        expected = "expected nested tuples such as ((2,128,2,2),)"
        try:
            content = ast.literal_eval(text)
        except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError):
            raise ValueError(expected) from None
        kind = tuple.__class_getitem__(arguments)
        value = from_json_value(kind, content)
        faults = value_faults(kind, value, "value")
        if faults:
            raise ValueError(f"{expected}: {faults[0]}")
        return value
    return tuple(parse_text(item, part.strip()) for part in text.split(",") if part.strip())


def from_json(kind: type, content: dict[str, Any], where: str = "") -> Any:
    """A dataclass from its JSON object; values that are built already are kept.

    `where` is the key under which the object stands, for messages. Values of a wrong type are kept as well:
    `ranges.require_in_range` names them all.

    Raises:
        ValueError: a key is unknown, or one is missing that has no default.
    """
    known = field_types(kind)
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise ValueError(
            f"{where or kind.__name__} has no {', '.join(unknown)}; it has {', '.join(known)}"
        )
    needed = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    missing = sorted(needed - set(content))
    if missing:
        raise ValueError(f"{where or kind.__name__} lacks {', '.join(missing)}")
    return kind(
        **{
            key: from_json_value(known[key], value, f"{where}.{key}".lstrip("."))
            for key, value in content.items()
        }
    )


def from_json_value(kind: Any, value: Any, where: str = "") -> Any:
    """JSON's lists to tuples and objects to dataclasses, as the annotation says."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return from_json(kind, value, where)
    if typing.get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        arguments = typing.get_args(kind)
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else list(arguments)
        if len(kinds) != len(value):
            return tuple(value)
        return tuple(from_json_value(item, part) for item, part in zip(kinds, value, strict=True))
    return value


def missing_keys(config: Any, content: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The keys that a dataclass has and its JSON object, at every level that is there, has not."""
    missing: list[str] = []
    for field in dataclasses.fields(config):
        key, value = f"{prefix}{field.name}", getattr(config, field.name)
        if field.name not in content:
            missing.append(key)
        elif dataclasses.is_dataclass(value) and isinstance(content[field.name], Mapping):
            missing += missing_keys(value, content[field.name], f"{key}.")
    return missing
