"""Text and JSON become values of annotated types, or an error that says what was expected."""

import dataclasses
from typing import Any, Literal

import pytest

from asd_jax.typed_values import field_types, from_json, parse_text

Stages = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    stages: Stages = ((1, 2),)
    flag: bool = False


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "3", 3),
        (int, "-3", -3),
        (float, "1e-4", 1e-4),
        (float, "2", 2.0),
        (str, "", ""),
        (str, "a=b,c", "a=b,c"),
        (bool, "true", True),
        (bool, "False", False),
        (bool, "1", True),
        (bool, "no", False),
        (Literal["mean", "max"], "max", "max"),
        (tuple[str, ...], "fan,pump", ("fan", "pump")),
        (tuple[str, ...], "fan, pump,", ("fan", "pump")),
        (tuple[str, ...], "", ()),
        (tuple[int, ...], "1,2", (1, 2)),
        (tuple[Literal["dev", "eval"], ...], "dev,eval", ("dev", "eval")),
        (Stages, "((1,2),(3,4))", ((1, 2), (3, 4))),
        (Stages, "[[1,2]]", ((1, 2),)),
        (Stages, "()", ()),
    ],
)
def test_text_is_read_as_its_type(kind: Any, text: str, value: object) -> None:
    read = parse_text(kind, text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (int, "3.5", "expected a whole number"),
        (int, "", "expected a whole number"),
        (float, "fast", "expected a number"),
        (bool, "maybe", "expected true or false"),
        (Literal["mean", "max"], "median", "choose one of mean, max"),
        (tuple[int, ...], "1,x", "expected a whole number"),
        (tuple[Literal["dev", "eval"], ...], "dev,test", "choose one of dev, eval"),
        (Stages, "((1,2)", "expected nested tuples"),
        (Stages, "(1,2)", "expected nested tuples"),
        (Stages, "((1,2,3),)", "expected nested tuples"),
        (Stages, "__import__('os')", "expected nested tuples"),
        (dict, "{}", "cannot be given as text"),
    ],
)
def test_text_of_another_type_is_refused(kind: Any, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_text(kind, text)


def test_field_types_are_resolved() -> None:
    assert field_types(Outer) == {"inner": Inner, "stages": Stages, "flag": bool}


def test_json_lists_become_tuples_and_objects_dataclasses() -> None:
    content = {"inner": {"rate": 0.1, "names": ["a", "b"]}, "stages": [[1, 2], [3, 4]]}
    expected = Outer(Inner(0.1, ("a", "b")), ((1, 2), (3, 4)))
    assert from_json(Outer, content) == expected
    assert from_json(Outer, {}) == Outer()
    assert from_json(Outer, {"inner": Inner(0.2)}) == Outer(Inner(0.2))


def test_unknown_json_keys_are_refused_at_every_level() -> None:
    with pytest.raises(ValueError, match="Outer has no colour; it has inner, stages, flag"):
        from_json(Outer, {"colour": 1})
    with pytest.raises(ValueError, match="inner has no speed; it has rate, names"):
        from_json(Outer, {"inner": {"speed": 1}})
