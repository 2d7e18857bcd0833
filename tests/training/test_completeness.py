"""What an experiment asks for and the prepared data lack."""

import pytest
from tfds_dcase import ClipInfo, official_sections

from asd_jax.config import DataConfig
from asd_jax.data.clips import Stage
from asd_jax.training.completeness import completeness_of, require_complete

Place = tuple[str, str, str]
TYPES = ("ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve")
BOTH: tuple[Stage, ...] = ("dev", "eval")


def clips(*places: Place) -> list[ClipInfo]:
    return [
        ClipInfo(
            f"{stage}_train_{machine_type}",
            n,
            f"dcase2020/{stage}/{machine_type}/train/{section}.wav",
            f"{section}.wav",
            machine_type,
            section,
            "unknown",
            "normal",
            "",
            16000,
            160000,
            "0" * 64,
        )
        for n, (stage, machine_type, section) in enumerate(places)
    ]


def year(dataset: str, *stages: str) -> list[Place]:
    """Every place of a year's stages."""
    return [
        (stage, machine_type, section)
        for stage in stages
        for machine_type, sections in official_sections(dataset, stage).items()
        for section in sections
    ]


def official(**changes: object) -> DataConfig:
    return DataConfig(**({"expects": "official", "train_stages": ("dev",)} | changes))  # type: ignore[arg-type]


WHOLE = year("dcase2020", "dev", "eval")
SIMULATED = [("dev", name, section) for name in TYPES for section in ("id_00", "id_02")]

# Configuration, places that are there, and what is missing.
CASES: dict[str, tuple[DataConfig, list[Place], list[str]]] = {
    "the paper's recipe on all": (official(train_stages=BOTH), WHOLE, []),
    "without additional training data": (
        official(train_stages=BOTH),
        year("dcase2020", "dev"),
        ["all additional training clips"],
    ),
    "a machine type is not prepared": (
        official(),
        [place for place in year("dcase2020", "dev") if place[1] != "fan"],
        ["development training clips of fan"],
    ),
    "a section is not prepared": (
        official(),
        [place for place in year("dcase2020", "dev") if place[1:] != ("fan", "id_04")],
        ["development training clips of fan id_04"],
    ),
    "the machine types that are asked for are whole": (
        official(machine_types=("fan",)),
        [place for place in year("dcase2020", "dev") if place[1] == "fan"],
        [],
    ),
    "a named machine type is not there": (
        DataConfig(train_stages=("dev",), machine_types=("fan", "pump")),
        [("dev", "fan", "id_00")],
        ["development training clips of pump"],
    ),
    "one of two machine types lacks a stage": (
        DataConfig(train_stages=BOTH),
        [("dev", "fan", "id_00"), ("dev", "pump", "id_00"), ("eval", "fan", "id_01")],
        ["additional training clips of pump"],
    ),
    "another year has other types a stage": (
        official(dataset="dcase2023", train_stages=BOTH),
        year("dcase2023", "dev", "eval"),
        [],
    ),
    "the demo on simulated machines": (DataConfig(train_stages=("dev",)), SIMULATED, []),
    "own recordings have no official sections": (
        official(dataset="folder", train_stages=("dev",)),
        [("dev", "press", "section_00")],
        [],
    ),
    "a named machine of own recordings": (
        DataConfig(dataset="folder", train_stages=("dev",), machine_types=("press", "saw")),
        [("dev", "press", "section_00")],
        ["training clips of saw"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_named(case: str) -> None:
    """Nothing is asked for that a configuration does not name."""
    data, places, missing = CASES[case]
    assert list(completeness_of(data, clips(*places)).missing) == missing


def test_the_papers_recipe_asks_for_41_classes() -> None:
    found = completeness_of(official(train_stages=BOTH), clips(*SIMULATED))
    assert found.classes == 41
    with pytest.raises(ValueError, match=r"all additional training clips.*data\.incomplete=allow"):
        require_complete(official(train_stages=BOTH), found)
    require_complete(official(train_stages=BOTH, incomplete="allow"), found)
