"""The simulated archives look like the official ones, and are the same every time."""

from __future__ import annotations

import csv
import io
import re
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

from asd_jax.simulation import GROUND_TRUTH, SimulationSize, simulate

SIZE = SimulationSize(sections=2, train=5, test_normal=2, test_anomaly=4)
ATTRIBUTES = r"[A-Za-z][\w.\-]*_[\w.\-]+"
NAMES = {
    ("dcase2020", "dev"): (
        r"{m}/train/normal_id_\d\d_\d{{8}}\.wav",
        r"{m}/test/(normal|anomaly)_id_\d\d_\d{{8}}\.wav",
    ),
    ("dcase2020", "eval"): (
        r"{m}/train/normal_id_\d\d_\d{{8}}\.wav",
        r"{m}/test/id_\d\d_\d{{8}}\.wav",
    ),
    ("dcase2021", "dev"): (
        r"{m}/train/section_0[0-2]_(source|target)_train_normal_\d{{4}}_{a}\.wav",
        r"{m}/(source|target)_test/section_0[0-2]_\1_test_(normal|anomaly)_\d{{4}}\.wav",
    ),
    ("dcase2021", "eval"): (
        r"{m}/train/section_0[3-5]_(source|target)_train_normal_\d{{4}}_{a}\.wav",
        r"{m}/(source|target)_test/section_0[3-5]_\1_test_\d{{4}}\.wav",
    ),
    ("dcase2022", "dev"): (
        r"{m}/train/section_0[0-2]_(source|target)_train_normal_\d{{4}}_{a}\.wav",
        r"{m}/test/section_0[0-2]_(source|target)_test_(normal|anomaly)_\d{{4}}_{a}\.wav",
    ),
    ("dcase2022", "eval"): (
        r"{m}/train/section_0[3-5]_(source|target)_train_normal_\d{{4}}_{a}\.wav",
        r"{m}/test/section_0[3-5]_\d{{4}}\.wav",
    ),
    ("dcase2023", "dev"): (
        r"{m}/train/section_00_(source|target)_train_normal_\d{{4}}_{a}\.wav",
        r"{m}/test/section_00_(source|target)_test_(normal|anomaly)_\d{{4}}_{a}\.wav",
    ),
    ("dcase2023", "eval"): (
        r"{m}/train/section_00_(source|target)_train_normal_\d{{4}}_{a}\.wav",
        r"{m}/test/section_00_\d{{4}}\.wav",
    ),
}
MACHINES = {
    ("dcase2020", "dev"): "fan",
    ("dcase2020", "eval"): "ToyCar",
    ("dcase2021", "dev"): "pump",
    ("dcase2021", "eval"): "ToyTrain",
    ("dcase2022", "dev"): "bearing",
    ("dcase2022", "eval"): "gearbox",
    ("dcase2023", "dev"): "bearing",
    ("dcase2023", "eval"): "Vacuum",
}
ARCHIVES = {
    ("dcase2020", "dev"): {"dev_data_fan.zip"},
    ("dcase2020", "eval"): {"eval_data_train_ToyCar.zip", "eval_data_test_ToyCar.zip"},
    ("dcase2021", "dev"): {"dev_data_pump.zip"},
    ("dcase2021", "eval"): {"eval_data_ToyTrain_train.zip", "eval_data_ToyTrain_test.zip"},
    ("dcase2022", "dev"): {"dev_bearing.zip"},
    ("dcase2022", "eval"): {"eval_data_gearbox_train.zip", "eval_data_gearbox_test.zip"},
    ("dcase2023", "dev"): {"dev_bearing.zip"},
    ("dcase2023", "eval"): {"eval_data_Vacuum_train.zip", "eval_data_Vacuum_test.zip"},
}


def write(folder: Path, dataset: str, machine_type: str, stage: str, **options) -> dict[Path, int]:
    options = {"size": SIZE, "seconds": 1.0, **options}
    return simulate(dataset, folder, machine_types=(machine_type,), stages=(stage,), **options)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(("dataset", "stage"), list(NAMES))
def test_archives_and_clips_bear_the_official_names(tmp_path: Path, dataset: str, stage: str):
    machine_type = MACHINES[dataset, stage]
    written = write(tmp_path, dataset, machine_type, stage)
    assert {path.name for path in written} == ARCHIVES[dataset, stage]
    names = [name for path in written for name in members(path) if name.endswith(".wav")]
    patterns = [p.format(m=machine_type, a=ATTRIBUTES) for p in NAMES[dataset, stage]]
    matched = [[name for name in names if re.fullmatch(p, name)] for p in patterns]
    sections = 1 if dataset == "dcase2023" else 2
    assert [len(found) for found in matched] == [5 * sections, 6 * sections]
    assert len(names) == len(set(names)) == sum(written.values()) == 11 * sections


@pytest.mark.parametrize(
    "dataset", ["dcase2021", "dcase2022", "dcase2023", "dcase2024", "dcase2025", "dcase2026"]
)
def test_both_domains_are_in_training_and_in_test(tmp_path: Path, dataset: str):
    (path,) = write(tmp_path, dataset, "fan", "dev")
    names = " ".join(members(path))
    for part in ("train_normal", "test_normal", "test_anomaly"):
        assert f"source_{part}" in names
        assert f"target_{part}" in names


def test_2023_attributes_csv_lists_every_named_clip(tmp_path: Path):
    (path,) = write(tmp_path, "2023", "ToyCar", "dev")
    content = members(path)
    rows = list(csv.DictReader(io.StringIO(content["ToyCar/attributes_00.csv"].decode())))
    assert {row["file_name"] for row in rows} == {n for n in content if n.endswith(".wav")}
    row = rows[0]
    pairs = [row[f"d{n}{part}"] for n in range(1, len(row) // 2 + 1) for part in "pv"]
    assert row["file_name"].endswith("_".join(pairs) + ".wav")


def test_ground_truth_covers_every_hidden_clip(tmp_path: Path):
    for machine_type in ("ToyCar", "slider"):
        write(tmp_path, "dcase2020", machine_type, "eval")
    with (tmp_path / GROUND_TRUTH).open(newline="") as file:
        rows = list(csv.DictReader(file))
    header = ["machine_type", "file_name", "section", "domain", "label", "attributes"]
    assert list(rows[0]) == header
    hidden = {
        tuple(name.split("/test/"))
        for path in tmp_path.glob("eval_data_test_*.zip")
        for name in members(path)
    }
    assert {(row["machine_type"], row["file_name"]) for row in rows} == hidden
    assert len(rows) == len(hidden) == 24
    assert all(row["file_name"].startswith(row["section"]) for row in rows)
    for section in ("id_05", "id_06"):
        labels = [r["label"] for r in rows if r["section"] == section]
        assert labels.count("normal") == 2
        assert labels.count("anomaly") == 4


@pytest.mark.parametrize(
    ("dataset", "machine_type"),
    [
        ("dcase2021", "gearbox"),
        ("dcase2024", "RoboticArm"),
        ("dcase2025", "ScrewFeeder"),
        ("dcase2026", "Sander"),
    ],
)
def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    tmp_path: Path, dataset: str, machine_type: str
):
    files = []
    for name, seed in {"a": 3, "b": 3, "c": 4}.items():
        write(tmp_path / name, dataset, machine_type, "eval", seed=seed)
        files.append({p.name: p.read_bytes() for p in (tmp_path / name).glob("*.zip")})
    assert files[0] == files[1]
    assert all(files[0][name] != files[2][name] for name in files[0])


@pytest.mark.parametrize(
    ("dataset", "machine_type"),
    [
        ("dcase2020", "valve"),
        ("dcase2023", "valve"),
        ("dcase2024", "slider"),
        ("dcase2026", "valveEmu"),
    ],
)
def test_a_larger_size_keeps_the_earlier_clips(tmp_path: Path, dataset: str, machine_type: str):
    larger = SimulationSize(sections=3, train=8, test_normal=6, test_anomaly=6)
    (small,) = write(tmp_path / "small", dataset, machine_type, "dev")
    (large,) = write(tmp_path / "large", dataset, machine_type, "dev", size=larger)
    before, after = members(small), members(large)
    assert len(after) > len(before)
    assert all(after[name] == data for name, data in before.items() if name.endswith(".wav"))


@pytest.mark.parametrize(
    ("dataset", "stage", "machine_type", "seconds"),
    [
        ("dcase2020", "dev", "ToyCar", 11.0),
        ("dcase2021", "eval", "ToyTrain", 12.0),
        ("dcase2023", "eval", "shaker", 6.0),
        ("dcase2020", "dev", "valve", 10.0),
    ],
)
def test_clips_are_16_khz_16_bit_mono_of_official_length_and_unclipped(
    tmp_path: Path, dataset: str, stage: str, machine_type: str, seconds: float
):
    size = SimulationSize(sections=1, train=2, test_normal=1, test_anomaly=1)
    for path in write(tmp_path, dataset, machine_type, stage, size=size, seconds=None):
        for name, data in members(path).items():
            if not name.endswith(".wav"):
                continue
            with wave.open(io.BytesIO(data)) as file:
                header = (file.getframerate(), file.getsampwidth(), file.getnchannels())
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            assert header == (16_000, 2, 1)
            assert len(samples) == seconds * 16_000
            assert 50 < np.abs(samples.astype(int)).max() < 32_760


def test_an_archive_is_replaced_as_a_whole(tmp_path: Path):
    (path,) = write(tmp_path, "dcase2020", "fan", "dev")
    path.write_bytes(b"old")
    write(tmp_path, "dcase2020", "fan", "dev")
    assert zipfile.is_zipfile(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "dcase2019"}, r"2019.*\[2020, 2021, .*, 2026\]"),
        ({"dataset": "mimii"}, "write it as dcase2020"),
        ({"machine_types": ["Fan"]}, "did you mean fan"),
        ({"stages": ["evaluation"]}, "unknown stage"),
        ({"seconds": 0.01}, "at least 1 s"),
        ({"dataset": "dcase2023", "machine_types": ["Vacuum"]}, "no Vacuum in stages dev"),
        ({"dataset": "dcase2026", "machine_types": ["bearing"]}, "did you mean bearingEmu"),
    ],
)
def test_a_wrong_option_is_named_with_the_cure(tmp_path: Path, options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        simulate(**{"dataset": "dcase2020", "output": tmp_path / "none", **options})
    assert not (tmp_path / "none").exists()


def test_a_size_without_training_clips_is_refused():
    with pytest.raises(ValueError, match="train=0"):
        SimulationSize(train=0)


def test_a_foreign_ground_truth_is_not_overwritten(tmp_path: Path):
    (tmp_path / GROUND_TRUTH).write_text("mine\n")
    with pytest.raises(ValueError, match=r"ground_truth\.csv.*move it away"):
        write(tmp_path, "dcase2020", "fan", "eval")
    assert (tmp_path / GROUND_TRUTH).read_text() == "mine\n"
