"""Ranges of settings, declared beside each field as its annotation: `epochs: CountOrNone = 300`."""

import dataclasses
import math
import typing
from typing import Annotated, Any


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, with the ends or without them."""

    low: float
    high: float
    with_low: bool = True
    with_high: bool = True

    def fault(self, value: float) -> str:
        """What is wrong with a number; empty where it lies in the range."""
        low = value >= self.low if self.with_low else value > self.low
        high = value <= self.high if self.with_high else value < self.high
        if low and high:
            return ""
        return f"is {_number(value)}, must be {self}"

    def __str__(self) -> str:
        least = f"{'at least' if self.with_low else 'above'} {_number(self.low)}"
        most = f"{'at most' if self.with_high else 'below'} {_number(self.high)}"
        return f"{least} and {most}"


def _number(value: float) -> str:
    """Whole numbers with all digits: the largest that is allowed and one more must not look the same."""
    return shown(value) if type(value) is int else f"{value:g}"


_MANY = 2**31 - 1
Count = Annotated[int, Range(1, _MANY)]
CountOrNone = Annotated[int, Range(0, _MANY)]
BatchSize = Annotated[int, Range(1, 2**20)]
FrameSize = Annotated[int, Range(1, 2**16)]
Seed = Annotated[int, Range(0, 2**32 - 1)]
Samples = Annotated[int, Range(1, _MANY)]
SampleRate = Annotated[int, Range(1000, 384_000)]
Bands = Annotated[int, Range(1, 8192)]
NonNegative = Annotated[float, Range(0, 1e30)]
Positive = Annotated[float, Range(0, 1e30, with_low=False)]
LearningRate = Annotated[float, Range(0, 1e38)]
Share = Annotated[float, Range(0, 1, with_high=False)]
"""A part of a whole, which it does not reach."""
PartOfAll = Annotated[float, Range(0, 1, with_low=False)]
Between0And1 = Annotated[float, Range(0, 1, with_low=False, with_high=False)]
PerCent = Annotated[float, Range(0, 100, with_low=False, with_high=False)]


def require_in_range(config: Any, what: str) -> None:
    """Checks every setting of a configuration: its type, its range, and what its groups say of several together.

    Args:
        config: a dataclass of settings; groups among them are looked into. A group with a method `faults` tells what is
            wrong with it as a whole.
        what: where the settings come from, for the message.

    Raises:
        ValueError: with all faults.
    """
    faults = faults_of(config)
    if faults:
        raise ValueError(f"{what}: {'; '.join(faults)}")


def faults_of(config: Any, prefix: str = "") -> list[str]:
    """All faults of a configuration's values, each with its dotted key."""
    kinds = typing.get_type_hints(type(config), include_extras=True)
    found: list[str] = []
    for field in dataclasses.fields(config):
        key, value = f"{prefix}{field.name}", getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found += faults_of(value, f"{key}.")
        else:
            found += value_faults(kinds[field.name], value, key)
    if not found and hasattr(config, "faults"):
        found += [f"{prefix}{fault}" for fault in config.faults()]
    return found


def value_faults(kind: Any, value: Any, key: str) -> list[str]:
    """What is wrong with a value of an annotated type."""
    if typing.get_origin(kind) is Annotated:
        plain, *ranges = typing.get_args(kind)
        wrong = value_faults(plain, value, key)
        if wrong:
            return wrong
        told = (limit.fault(value) for limit in ranges if isinstance(limit, Range))
        return [f"{key} {fault}" for fault in told if fault]
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        if isinstance(value, str) and value in choices:
            return []
        return [f"{key} is {shown(value)}, must be one of {', '.join(map(str, choices))}"]
    if typing.get_origin(kind) is tuple:
        return _tuple_faults(typing.get_args(kind), value, key)
    if kind is float:
        if type(value) not in (int, float):
            return [f"{key} is {shown(value)}, must be a number"]
        return [] if abs(value) < math.inf else [f"{key} is {value}, must be finite"]
    if dataclasses.is_dataclass(kind):
        return (
            []
            if dataclasses.is_dataclass(value)
            else [f"{key} is {shown(value)}, must be an object of keys"]
        )
    names = {int: "a whole number", bool: "true or false", str: "text"}
    if kind in names and type(value) is not kind:
        return [f"{key} is {shown(value)}, must be {names[kind]}"]
    return []


def _tuple_faults(kinds: tuple[Any, ...], value: Any, key: str) -> list[str]:
    if not isinstance(value, (tuple, list)):
        return [f"{key} is {shown(value)}, must be a list"]
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        return [f"{key} has {len(value)} values, must have {len(kinds)}"]
    pairs = enumerate(zip(kinds, value, strict=True))
    return [fault for i, (kind, part) in pairs for fault in value_faults(kind, part, f"{key}[{i}]")]


def shown(value: Any) -> str:
    """A value for a message, of whatever length it is."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
