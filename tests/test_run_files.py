"""The files of a run are typed and bounded, and nothing that they name is imported."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import (
    _LATER,
    Experiment,
    load_config,
    load_detector_module,
    override,
)
from asd_jax.data.classes import ClassMap
from asd_jax.json_files import parse_json_object, read_json_object
from asd_jax.ranges import faults_of
from asd_jax.training.experiment import load_experiment
from asd_jax.training.work_directory import CONFIG_FILE

CONFIGS = Path(__file__).parents[1] / "configs"
RECIPES = ["demo", "aegan_ad_2020", "mobilenetv2_2021", "own_machine", "demo_conv_autoencoder"]
WRONG: list[Any] = [None, "text", [], [1, "a"], {}, {"a": 1}, True, -1, 10**30, 1e300, 0.5, -0.5]


def leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from leaves(value, (*path, key))


def with_value(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(content))
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def outcome(text: str) -> tuple[str, Experiment | None]:
    """What is said of a configuration, or the experiment that it becomes; any other error is a fault."""
    try:
        return "", Experiment.from_json(text)
    except ValueError as error:
        return str(error), None


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_mutation_of_a_configuration_is_accepted_wrongly(recipe: str) -> None:
    """A value of another type or out of range is named with its key; what is accepted is sound and is kept."""
    content = json.loads(load_config(CONFIGS / f"{recipe}.py").to_json())
    accepted = refused = 0
    for path in leaves(content):
        for value in WRONG:
            changed = with_value(content, path, value)
            told, experiment = outcome(json.dumps(changed))
            if experiment is None:
                refused += 1
                assert str(path[-1]) in told or str(path[0]) in told, (path, value)
                continue
            accepted += 1
            assert not faults_of(experiment)
            kept = json.loads(experiment.to_json())
            for key in path:
                kept = kept[key]
            # A group that is empty gets the defaults, as one that is not there.
            assert kept == value or value == {}, (path, value)
    assert refused > 8 * accepted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Expecting value"),
        ("null", "no object"),
        ("[1]", "no object"),
        ('{"name": 1, "name": 2}', "the key name stands twice"),
        ('{"name": NaN}', "NaN is no number"),
        ('{"name": -Infinity}', "-Infinity is no number"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested more than 32 deep"),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "nested more than 32 deep"),
        ('{"name": "a"', "delimiter"),
        ("{}", "names no detector class"),
        ('{"detector": []}', "names no detector class"),
        ('{"detector": {"class": 3}}', "names no detector class"),
    ],
)
def test_a_file_that_is_no_configuration_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / CONFIG_FILE
    path.write_text(text)
    with pytest.raises(ValueError, match=told) as error:
        load_experiment(tmp_path)
    assert str(path) in str(error.value)


def test_bytes_that_are_no_text_and_endless_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ValueError, match=r"a\.json is damaged"):
        read_json_object(tmp_path / "a.json", "a test")
    with (tmp_path / "b.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ValueError, match="has at most"):
        read_json_object(tmp_path / "b.json", "a test")
    assert parse_json_object('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"by": ["machine_type"]}, "lacks classes"),
        ({"by": ["machine_type"], "classes": []}, "classes is empty"),
        (
            {"by": ["machine_type"], "classes": [["fan", "id_00"]]},
            r"classes\[0\] has 2 values for 1",
        ),
        ({"by": ["machine_type"], "classes": [[3]]}, r"classes\[0\]\[0\] is 3, must be text"),
        ({"by": "machine_type", "classes": [["fan"]]}, "by is 'machine_type', must be a list"),
        ({"by": ["colour"], "classes": [["red"]]}, "by names colour"),
        ({"by": ["machine_type"], "classes": None}, "classes is null, must be a list"),
        ({"by": ["machine_type"], "classes": [["fan"], ["fan"]]}, "classes has one twice"),
        ({"by": ["machine_type"], "classes": [["fan"]], "x": 1}, "has no x"),
    ],
)
def test_a_class_map_that_is_none_is_told(tmp_path: Path, content: Any, told: str) -> None:
    path = tmp_path / "class_map.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=told):
        ClassMap.load(path)


DETECTOR = """
import dataclasses, pathlib
pathlib.Path({marker!r}).touch()
from asd_jax.detectors.stgram_mfn import STgramMFNConfig
@dataclasses.dataclass(frozen=True)
class Mine(STgramMFNConfig):
    pass
"""


@pytest.mark.parametrize(
    "named",
    [
        lambda file: f"{file}:Mine",
        lambda file: f"{file.stem}:Mine",
        lambda file: "antigravity:Mine",
        lambda file: f"asd_jax.detectors.{file.stem}:Mine",
        lambda file: "asd_jax.detectors.stgram_mfn:functools",
        lambda file: "os:system",
        lambda file: ":",
        lambda file: "",
    ],
)
def test_a_foreign_work_directory_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: Callable[[Path], str]
) -> None:
    """Nothing is imported before the user names it: a file that writes a marker leaves none."""
    marker, file = tmp_path / "marker", tmp_path / "foreign_detector.py"
    file.write_text(DETECTOR.format(marker=str(marker)))
    monkeypatch.syspath_prepend(tmp_path)
    content = json.loads(load_config(CONFIGS / "demo.py").to_json())
    content["detector"]["class"] = named(file)
    (tmp_path / CONFIG_FILE).write_text(json.dumps(content))
    with pytest.raises(ValueError, match="is not part of asd_jax"):
        load_experiment(tmp_path)
    assert not marker.exists()


def test_a_detector_that_the_user_names_is_loaded_if_it_is_the_one_that_was_trained(
    tmp_path: Path,
) -> None:
    """Its content is recorded: another file of the same name is refused."""
    marker, file = tmp_path / "marker", tmp_path / "my_detector_of_a_test.py"
    file.write_text(DETECTOR.format(marker=str(marker)))
    load_detector_module(file)
    assert marker.exists()
    content = json.loads(load_config(CONFIGS / "demo.py").to_json())
    content["detector"]["class"] = f"{tmp_path / 'elsewhere' / file.name}:Mine"
    experiment = Experiment.from_json(json.dumps(content))
    assert type(experiment.detector).__name__ == "Mine"
    recorded = json.loads(experiment.to_json())
    assert len(recorded["detector"]["class_sha256"]) == 64
    assert Experiment.from_json(json.dumps(recorded)) == experiment
    file.write_text(file.read_text() + "\n# changed\n")
    with pytest.raises(ValueError, match=r"my_detector_of_a_test\.py is not the file that the run"):
        Experiment.from_json(json.dumps(recorded))


@pytest.mark.parametrize("name", ["none.py", "folder.py", "text.txt"])
def test_a_detector_module_that_is_none_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "text.txt").write_text("")
    with pytest.raises((FileNotFoundError, ValueError), match=name):
        load_detector_module(tmp_path / name)


def test_an_unchanged_configuration_is_as_it_was() -> None:
    experiment = override(load_config(CONFIGS / "demo.py"), ["training.epochs=0"])
    assert Experiment.from_json(experiment.to_json()) == experiment


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_key_that_is_gone_is_missed_unless_earlier_versions_had_none(recipe: str) -> None:
    """Its default may be another than the run was trained with."""
    content = json.loads(load_config(CONFIGS / f"{recipe}.py").to_json())
    kept = set()
    for path in leaves(content):
        if any(isinstance(key, int) for key in path):
            continue
        changed = with_value(content, path, None)
        place = changed
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        told, experiment = outcome(json.dumps(changed))
        if experiment is not None:
            kept.add(".".join(path))
        else:
            assert str(path[-1]) in told, path
    assert "data.held_out" in kept
    assert not kept - _LATER


@pytest.mark.parametrize("value", [5, [], None, "00", "a" * 64])
def test_a_digest_beside_an_own_detector_is_refused(value: Any) -> None:
    content = json.loads(load_config(CONFIGS / "demo.py").to_json())
    content["detector"]["class_sha256"] = value
    with pytest.raises(ValueError, match=r"detector\.class_sha256 .* none belongs to a detector"):
        Experiment.from_json(json.dumps(content))


@pytest.mark.parametrize("value", [5, [], None, "00"])
def test_a_digest_that_is_none_is_refused(value: Any) -> None:
    content = json.loads(load_config(CONFIGS / "demo.py").to_json())
    content["detector"] |= {"class": "mine.py:Mine", "class_sha256": value}
    with pytest.raises(ValueError, match="it is no SHA-256"):
        Experiment.from_json(json.dumps(content))


def test_a_class_of_endless_name_is_told_in_short() -> None:
    content = json.loads(load_config(CONFIGS / "demo.py").to_json())
    content["detector"]["class"] = "x" * 100_000
    with pytest.raises(ValueError, match="not part of asd_jax") as error:
        Experiment.from_json(json.dumps(content))
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("by", [[], ["", "machine_type"], ["section", "section"]])
def test_a_class_by_that_makes_no_classes_is_told(by: list[str]) -> None:
    content = json.loads(load_config(CONFIGS / "demo.py").to_json())
    content["data"]["class_by"] = by
    with pytest.raises(ValueError, match=r"data\.class_by"):
        Experiment.from_json(json.dumps(content))
