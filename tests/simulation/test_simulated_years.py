"""Every year's archives agree with the tables by which the dataset builder reads official ones."""

from __future__ import annotations

import csv
import io
import re
import wave
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from tfds_dcase.layouts import LAYOUTS, YearLayout

from asd_jax.simulation import GROUND_TRUTH, SimulationSize, simulate
from asd_jax.simulation.catalogue import rosters
from asd_jax.simulation.operations import conditions
from asd_jax.simulation.scene import clip, stream, unit

YEARS = (2020, 2021, 2022, 2023, 2024, 2025, 2026)
LEAST = SimulationSize(sections=1, train=2, test_normal=2, test_anomaly=2)


def layout(year: int) -> YearLayout:
    """The builder's table of a year, which it may learn later than the simulator."""
    if f"dcase{year}" not in LAYOUTS:
        pytest.skip(f"tfds_dcase has no layout of {year} yet")
    return LAYOUTS[f"dcase{year}"]


def recordings(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {n: archive.read(n) for n in archive.namelist() if n.endswith(".wav")}


@pytest.mark.parametrize("year", YEARS)
def test_archive_and_clip_names_are_those_of_the_official_layout(tmp_path: Path, year: int):
    official = layout(year)
    kinds = {k.file_name(m): (k, m) for k in official.kinds for m in k.machine_types}
    written = simulate(f"dcase{year}", tmp_path, LEAST, stages=("dev", "eval"), seconds=1.0)
    assert {path.name for path in written} == set(official.archive_names())
    for path in written:
        kind, machine_type = kinds[path.name]
        parts = set()
        for name in recordings(path):
            place = PurePosixPath(name)
            folder = re.fullmatch(f"{machine_type}/{official.folders}", str(place.parent))
            stem = official.hidden if kind.labels_hidden else official.labelled
            assert folder, name
            assert re.fullmatch(stem, place.stem), name
            parts.add(folder["part"])
        assert parts == set(kind.parts), path.name


@pytest.mark.parametrize("year", YEARS)
def test_clips_have_the_channels_that_the_builder_expects(tmp_path: Path, year: int):
    machine_type = next(iter(rosters(year)["dev"]))
    (path,) = simulate(f"dcase{year}", tmp_path, LEAST, (machine_type,), seconds=1.0)
    for data in recordings(path).values():
        with wave.open(io.BytesIO(data)) as file:
            assert file.getnchannels() == layout(year).channels == (2 if year == 2026 else 1)
            assert (file.getframerate(), file.getsampwidth()) == (16_000, 2)
            assert file.getnframes() == 16_000


@pytest.mark.parametrize(
    ("year", "shortest", "longest"), [(2024, 6.0, 10.0), (2025, 6.0, 10.0), (2026, 10.0, 10.0)]
)
def test_machine_types_have_clip_lengths_of_their_own(
    tmp_path: Path, year: int, shortest: float, longest: float
):
    one = SimulationSize(sections=1, train=1, test_normal=0, test_anomaly=0)
    lengths = []
    for path in simulate(f"dcase{year}", tmp_path, one, stages=("dev", "eval")):
        for data in recordings(path).values():
            with wave.open(io.BytesIO(data)) as file:
                lengths.append(file.getnframes() / 16_000)
    assert (min(lengths), max(lengths)) == (shortest, longest)
    assert len(lengths) == len(rosters(year)["dev"]) + len(rosters(year)["eval"])


@pytest.mark.parametrize(
    ("year", "stage", "machine_type"),
    [(2024, "dev", "gearbox"), (2024, "eval", "ToothBrush"), (2025, "dev", "bearing")],
)
def test_withheld_attributes_are_withheld_everywhere(
    tmp_path: Path, year: int, stage: str, machine_type: str
):
    path, *_ = simulate(f"dcase{year}", tmp_path, LEAST, (machine_type,), (stage,), seconds=1.0)
    assert all(name.endswith("_noAttribute.wav") for name in recordings(path))
    with zipfile.ZipFile(path) as archive:
        table = archive.read(f"{machine_type}/attributes_00.csv").decode()
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[0] == ["file_name", "d1p", "d1v"]
    assert all(row[1:] == ["noAttribute", ""] for row in rows[1:])
    # The machine runs differently all the same.
    assert len({c.speed for c in conditions(year, machine_type, "source")}) == 2


def test_2024_ground_truth_names_what_evaluation_clips_hide(tmp_path: Path):
    size = SimulationSize(train=2, test_normal=4, test_anomaly=4)
    simulate("dcase2024", tmp_path, size, ("RoboticArm",), ("eval",), seconds=1.0)
    with (tmp_path / GROUND_TRUTH).open(newline="") as file:
        rows = list(csv.DictReader(file))
    hidden = recordings(tmp_path / "eval_data_RoboticArm_test.zip")
    assert {f"RoboticArm/test/{row['file_name']}" for row in rows} == set(hidden)
    kinds = [(row["domain"], row["label"]) for row in rows]
    assert all(
        kinds.count((domain, label)) == 2
        for domain in ("source", "target")
        for label in ("normal", "anomaly")
    )
    assert {row["attributes"].partition("_")[2] for row in rows} == {"BckgA"}


# Every 1600th sample of a clip as it was when the years 2024 to 2026 were added.
SOUNDS = {
    (2020, "valve", False): [257, 248, 273, 594, -596, -561, 223, -170, 406, -137],
    (2020, "pump", True): [620, -160, -76, 747, 104, -582, 425, -58, 602, -38],
    (2021, "ToyTrain", True): [-274, 1149, 137, 63, 432, 80, -192, 616, 305, 435],
    (2022, "bearing", False): [-27, 78, 1056, 1547, 130, 379, 556, 650, 33, 2],
    (2023, "slider", True): [324, 438, -222, 371, 624, -529, 500, -146, -567, -236],
    (2023, "ToyDrone", False): [32, -1020, 403, 297, -445, -199, 462, -231, 259, 396],
}


@pytest.mark.parametrize(("year", "machine_type", "anomalous"), list(SOUNDS))
def test_older_years_sound_as_they_always_did(year: int, machine_type: str, anomalous: bool):
    where = unit(7, year, machine_type, 0, 0)
    condition = conditions(year, machine_type, "source")[0]
    heard = clip(where, condition, anomalous, 1, 16_000, 3.0, stream(7, year, machine_type))
    assert heard.shape == (1, 16_000)
    # Processors round differently in the last digits.
    np.testing.assert_allclose(heard[0, ::1600], SOUNDS[year, machine_type, anomalous], atol=2)
