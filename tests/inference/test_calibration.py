"""What a model knows of its training normals is kept beside it: then the dataset is not needed."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tfds_dcase
from absl import logging as absl_logging

from asd_jax.config import Experiment, override
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.inference.calibration import calibration_folder, calibration_of
from asd_jax.inference.run import calibrate
from asd_jax.training.experiment import load_experiment, train

GONE = "data.data_dir=/nowhere"
KNN = "evaluation.score=knn"


@pytest.fixture
def workdir(run_2020: Path, tmp_path: Path) -> Path:
    """A trained work directory without a calibration."""
    copy = tmp_path / "run"
    shutil.copytree(run_2020, copy, ignore=shutil.ignore_patterns("calibration"))
    return copy


@pytest.fixture
def test_clips(wavs_2020: Path) -> list[Path]:
    return [wavs_2020 / "fan" / "test"]


test_clips.__test__ = False  # type: ignore[attr-defined]


def kept(workdir: Path) -> list[str]:
    return sorted(path.name for path in (workdir / "models/all/calibration").iterdir())


@pytest.mark.parametrize("settings", [(), (KNN,)], ids=["plain", "fitted"])
def test_the_dataset_is_needed_once(
    workdir: Path, test_clips: list[Path], score: Any, settings: tuple[str, ...]
) -> None:
    """Without it and without a calibration the cure is named; with a calibration every number is the same."""
    cure = (
        r"not calibrated for the score .* not at hand \(.*Name their place with --data_dir, or run"
    )
    with pytest.raises(ValueError, match=cure):
        score(workdir, test_clips, GONE, *settings)
    there = score(workdir, test_clips, *settings)
    gone = score(workdir, test_clips, GONE, *settings)
    assert gone == there
    assert len(kept(workdir)) == 1
    with pytest.raises(ValueError, match=cure):
        score(workdir, test_clips, GONE, *settings, "evaluation.score=cosine")


def test_with_a_calibration_nothing_of_the_dataset_is_opened(
    workdir: Path, test_clips: list[Path], score: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where it is at hand."""
    before = score(workdir, test_clips)

    def opened(*_: Any) -> Any:
        raise AssertionError("the dataset was opened")

    monkeypatch.setattr(tfds_dcase, "load", opened)
    monkeypatch.setattr(tfds_dcase, "read_index", opened)
    assert score(workdir, test_clips) == before


def test_every_setting_that_matters_has_its_own(workdir: Path) -> None:
    """And those that do not matter share one: they apply to the numbers that are kept."""
    same = [
        (),
        ("evaluation.threshold_quantile=0.5",),
        ("evaluation.threshold_per=section",),
        ("evaluation.score=nll_margin",),
        ("evaluation.scorer.neighbours=3",),
        ("evaluation.batch_size=4",),
        ("data.mode=evaluation",),
    ]
    other = [
        ("evaluation.score=nll",),
        ("evaluation.pooling=max",),
        ("evaluation.threshold_clips=3",),
        ("data.machine_types=fan",),
        ("detector.arcface=false",),
        (KNN,),
        (KNN, "evaluation.scorer.neighbours=3"),
        (KNN, "evaluation.reference_clips=3"),
    ]
    model = trained(workdir)
    experiment = load_experiment(workdir)
    found = {calibration_folder(model, override(experiment, settings)) for settings in same}
    assert len(found) == 1
    found |= {calibration_folder(model, override(experiment, settings)) for settings in other}
    found.add(calibration_folder(trained(workdir, "detector.clip.hop=4000"), experiment))
    heads = TrainedModel(experiment, workdir / "models/all", [], windows="head")
    found.add(calibration_folder(heads, experiment))
    assert len(found) == 1 + len(other) + 2


def trained(workdir: Path, *settings: str) -> TrainedModel:
    return TrainedModel(override(load_experiment(workdir), settings), workdir / "models/all", [])


def test_another_checkpoint_is_calibrated_anew(
    workdir: Path, test_clips: list[Path], score: Any
) -> None:
    """As a training that went on leaves it."""
    score(workdir, test_clips)
    shutil.rmtree(workdir / "models/all/checkpoints/6")
    with pytest.raises(ValueError, match="is not calibrated"):
        score(workdir, test_clips, GONE)
    score(workdir, test_clips)
    assert len(kept(workdir)) == 2


def test_the_checkpoint_that_held_out_normals_favour_is_remembered(
    tiny: Experiment, data_2020: str, wavs_2020: Path, tmp_path: Path, score: Any
) -> None:
    """The one that an evaluation takes, also where the held-out clips are not."""
    settings = [f"data.data_dir={data_2020}", "data.held_out=0.3"]
    validated = "evaluation.checkpoint=validated"
    train(override(tiny, [*settings, validated]), tmp_path)
    test = [wavs_2020 / "fan" / "test", wavs_2020 / "valve" / "test"]
    results = evaluate(load_experiment(tmp_path), tmp_path)
    assert results is not None
    expected = {
        f"{clip.machine_type}/test/{clip.file_name}": clip.score
        for clip in read_clip_scores(results.directory)
    }
    with pytest.raises(ValueError, match="checkpoint of model all is not chosen yet"):
        score(tmp_path, test, GONE)
    for data_dir in ([], [GONE]):
        rows = score(tmp_path, test, *data_dir)
        rows = {str(Path(row["file"]).relative_to(wavs_2020)): row for row in rows}
        assert {name: float(rows[name]["score"]) for name in expected} == pytest.approx(expected)
    with pytest.raises(ValueError, match="this one left out none"):
        score(tmp_path, test, "data.held_out=0")


def test_what_is_kept_is_what_was_calibrated(workdir: Path) -> None:
    """Normals, scores, reference and lengths come back as they were, without pickled objects."""
    experiment = override(load_experiment(workdir), [KNN])
    model = trained(workdir)
    new, read = calibration_of(model, experiment), calibration_of(model, experiment)
    assert read.score.normals == new.score.normals
    assert len(read.score.normals) == 24
    np.testing.assert_array_equal(read.score.normal_scores, new.score.normal_scores)
    assert read.score.normal_scores.dtype == new.score.normal_scores.dtype
    np.testing.assert_array_equal(
        read.score.reference["embedding"], new.score.reference["embedding"]
    )
    assert read.longest == new.longest == {"fan": 16000, "valve": 16000}
    assert read.channel == new.channel == "mean"
    assert read.sections("fan") == ["id_00", "id_02"]
    [name] = kept(workdir)
    folder = workdir / "models/all/calibration" / name
    assert name.startswith("knn-")
    assert json.loads((folder / "settings.json").read_text())["settings"]["learnt"]["step"] == 6
    with np.load(folder / "normals.npz", allow_pickle=False) as arrays:
        assert {array.dtype.kind for array in arrays.values()} <= set("fiU")
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("part", ["settings.json", "normals.npz"])
def test_a_damaged_calibration_is_named(
    workdir: Path, test_clips: list[Path], score: Any, part: str
) -> None:
    before = score(workdir, test_clips)
    [name] = kept(workdir)
    folder = workdir / "models/all/calibration" / name
    whole = (folder / part).read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (whole[:middle], b"", changed):
        (folder / part).write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{name} is damaged \(.*delete this folder"):
            score(workdir, test_clips)
    shutil.rmtree(folder)
    assert score(workdir, test_clips) == before


def test_a_work_directory_that_cannot_be_written_is_used_all_the_same(
    workdir: Path, test_clips: list[Path], score: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a warning: every run calibrates anew."""
    logged: list[str] = []
    monkeypatch.setattr(absl_logging, "warning", lambda text, *args: logged.append(text % args))
    # A file in the folder's place stops even an administrator.
    (workdir / "models/all/calibration").write_text("")
    assert score(workdir, test_clips)
    assert any("the calibration is not kept in" in text for text in logged)
    with pytest.raises(ValueError, match=r"could not be kept there .*copy the work directory"):
        calibrate(load_experiment(workdir), workdir)


def test_what_a_killed_calibration_left_is_cleared(
    workdir: Path, test_clips: list[Path], score: Any
) -> None:
    """But not what another program may be writing."""
    folder = workdir / "models/all/calibration"
    for name, age in ((".unfinished_old", 7200), (".unfinished_new", 0)):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (time.time() - age,) * 2)
    score(workdir, test_clips)
    left = {path.name for path in folder.iterdir() if path.name.startswith(".")}
    assert left == {".unfinished_new"}


def test_imported_weights_and_unseen_machine_types(
    workdir: Path, wavs_2020: Path, score: Any
) -> None:
    """A model without a log, as imports leave it; a machine type without normals is named before anything is heard."""
    (workdir / "models/all/metrics.jsonl").unlink()
    assert len(score(workdir, [wavs_2020 / "fan" / "test"])) == 16
    with pytest.raises(ValueError, match="no training normals of valve"):
        score(workdir, [wavs_2020 / "valve" / "test"], "data.machine_types=fan")


def test_own_recordings_are_heard_as_the_training_heard_them(
    tiny: Experiment, tmp_path: Path, score: Any
) -> None:
    """The channel that the folder was prepared with, at any rate; a flag chooses another."""
    own = tmp_path / "own"
    noise = np.random.default_rng(0)
    for machine, hertz in {"press": 300, "lathe": 1500}.items():
        for name in ("train/0", "train/1", "train/2", "train/3", "test/0", "test/1"):
            time = np.arange(30000) / 44100
            hum = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.02 * noise.standard_normal(30000)
            path = own / machine / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.stack([noise.standard_normal(30000) / 9, hum], axis=1), 44100)
    tfds_dcase.prepare("folder", own, tmp_path, channel="second")
    data = ["data.dataset=folder", f"data.data_dir={tmp_path}", "training.epochs=1"]
    train(override(tiny, [*data, "training.batch_size=4"]), tmp_path / "run")
    heard = score(tmp_path / "run", [own])
    assert len(heard) == 12
    assert {row["section"] for row in heard} == {"section_00"}
    assert {row["machine_type"] for row in heard} == {"press", "lathe"}
    second = score(tmp_path / "run", [own], channel="second")
    assert second == heard
    first = score(tmp_path / "run", [own], channel="first")
    assert [row["score"] for row in first] != [row["score"] for row in heard]
