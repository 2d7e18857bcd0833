"""A work directory remembers its clips and settings, and is written only once everything was checked."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tfds_dcase
from absl import logging

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig, override
from asd_jax.data.classes import ClassMap
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.features.logmel import LogMel
from asd_jax.series.experiment import SeriesExperiment
from asd_jax.series.run import _write_config
from asd_jax.training import experiment as training_experiment
from asd_jax.training.clip_record import RECORD_FILE, read_record
from asd_jax.training.experiment import load_experiment, train
from asd_jax.training.loop import NonFiniteLossError

CLIPS = {f"{machine}/train/{n}.wav": n for machine in ("fan", "press") for n in range(4)}
TESTS = {
    f"{machine}/test/{label}/{label}_{n}.wav": n + 9
    for machine in ("fan", "press")
    for label in ("normal", "anomaly")
    for n in range(2)
}
WHOLE = CLIPS | TESTS


def without(*names: str) -> dict[str, int]:
    return {name: seed for name, seed in WHOLE.items() if name not in names}


# What became of the recordings, and what `train` must say of it.
CHANGES = {
    "a clip more": (WHOLE | {"fan/train/8.wav": 8}, r"1 added \(folder/dev/fan/train/8\.wav\)"),
    "a clip less": (without("fan/train/3.wav"), r"1 removed \(folder/dev/fan/train/3\.wav\)"),
    "another sound": (WHOLE | {"fan/train/3.wav": 99}, r"1 changed \(folder/dev/fan/train/3"),
    "another name": (
        without("fan/train/3.wav") | {"fan/train/x.wav": 3},
        r"1 added \(.*/x\.wav\); 1 removed \(.*/3\.wav\)",
    ),
    "a machine more": (
        WHOLE | {f"saw/train/{n}.wav": 20 + n for n in range(5)},
        r"5 added \(.*, and 2 more\); new machines or sections: saw section_00",
    ),
    "a section more": (
        WHOLE | {"fan/section_01/train/0.wav": 30},
        r"1 added .*new machines or sections: fan section_01",
    ),
    "a machine less": (
        {name: seed for name, seed in WHOLE.items() if name.startswith("fan")},
        r"4 removed \(folder/dev/press",
    ),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Prepares the recordings of a change; gives their data_dir."""

    def prepare(kind: str) -> str:
        folder = tmp_path_factory.getbasetemp() / f"recorded {kind}"
        if not folder.is_dir():
            for name, seed in (CHANGES[kind][0] if kind in CHANGES else WHOLE).items():
                noise = np.random.default_rng(seed).integers(-900, 900, 3000 + seed, np.int16)
                path = folder / "own" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, noise, 16000)
            tfds_dcase.prepare("folder", folder / "own", folder)
        return str(folder)

    return prepare


@pytest.fixture(scope="module")
def experiment(recorded: Callable[[str], str]) -> Experiment:
    detector = DenseAutoencoderConfig(
        clip=WindowPolicy(samples=2048),
        features=dataclasses.replace(LogMel.dcase2020(), n_fft=256, hop=128, n_mels=8),
        encoder=(8,),
        bottleneck=2,
        decoder=(8,),
    )
    return Experiment(
        "small",
        detector,
        DataConfig(dataset="folder", data_dir=recorded("whole")),
        TrainingConfig(epochs=1, batch_size=4, log_every=1),
        EvaluationConfig(batch_size=8),
    )


@pytest.fixture(scope="module")
def trained(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("trained") / "run"
    train(experiment, workdir)
    return workdir


@pytest.fixture
def remarks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: said.append(text % values))
    return said


def content(workdir: Path) -> dict[str, bytes]:
    return {str(p.relative_to(workdir)): p.read_bytes() for p in workdir.rglob("*") if p.is_file()}


def at(experiment: Experiment, data_dir: str) -> Experiment:
    return override(experiment, [f"data.data_dir={data_dir}"])


@pytest.mark.parametrize("kind", CHANGES)
def test_other_clips_are_refused_with_what_changed(
    kind: str, experiment: Experiment, trained: Path, recorded: Callable[[str], str]
) -> None:
    """And with both ways on; the work directory stays as it is."""
    before = content(trained)
    message = rf"models/all learnt from other clips .*{CHANGES[kind][1]}.*another --version.*move"
    with pytest.raises(ValueError, match=message):
        train(at(experiment, recorded(kind)), trained)
    assert content(trained) == before


def test_the_same_clips_elsewhere_resume(
    experiment: Experiment, trained: Path, recorded: Callable[[str], str], tmp_path: Path
) -> None:
    """The work directory then names the new place, and its checkpoint and list of clips stay."""
    shutil.copytree(trained, tmp_path / "run")
    moved = shutil.copytree(recorded("whole"), tmp_path / "moved")
    train(at(experiment, str(moved)), tmp_path / "run")
    assert load_experiment(tmp_path / "run").data.data_dir == str(moved)
    before, after = content(trained), content(tmp_path / "run")
    assert {name for name in before if before[name] != after[name]} == {"config.json"}


def test_clips_in_another_order_are_learnt_in_the_first_one(
    experiment: Experiment, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An iterator counts on the order: a training that goes on ends with the same parameters."""
    longer = override(experiment, ["training.epochs=3", "training.keep_checkpoints=3"])
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(longer, whole)
    shutil.copytree(whole, stopped)
    for step in ("4", "6"):
        shutil.rmtree(stopped / "models/all/checkpoints" / step)
    original = training_experiment.training_clips
    monkeypatch.setattr(training_experiment, "training_clips", lambda given: original(given)[::-1])
    train(longer, stopped)
    losses = [
        [json.loads(line)["loss"] for line in (run / "models/all/metrics.jsonl").open()]
        for run in (whole, stopped)
    ]
    assert losses[0] == losses[1]


def test_a_work_directory_without_a_list_is_accepted_once(
    experiment: Experiment,
    trained: Path,
    recorded: Callable[[str], str],
    tmp_path: Path,
    remarks: list[str],
) -> None:
    """It gets one, with a remark; where the log shows another length of an epoch, it is refused."""
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run/models/all" / RECORD_FILE).unlink()
    with pytest.raises(ValueError, match=r"its log has 2 steps an epoch, these clips make 4"):
        train(at(experiment, recorded("a machine more")), tmp_path / "run")
    assert read_record(tmp_path / "run/models/all") is None
    train(experiment, tmp_path / "run")
    assert ["before work directories kept lists of their clips" in text for text in remarks] == [1]
    assert read_record(tmp_path / "run/models/all") == read_record(trained / "models/all")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (RECORD_FILE, lambda text: text[: len(text) // 2], r"training_clips\.csv, .* is damaged"),
        (RECORD_FILE, lambda text: "", r"is damaged \(its first line is not clip_id,"),
        (RECORD_FILE, lambda text: text.replace(",0\n", ",-1\n", 1), r"no number of a class"),
        ("class_map.json", None, r"class_map\.json is missing, though the model has checkpoints"),
        (
            "class_map.json",
            lambda text: json.dumps(
                json.loads(text) | {"classes": json.loads(text)["classes"][::-1]}
            ),
            r"class_map\.json was changed: class 0 of the training.* is class 1 there",
        ),
        (
            "class_map.json",
            lambda text: json.dumps(
                json.loads(text) | {"classes": json.loads(text)["classes"][:1]}
            ),
            r"has 1 classes, but not press/section_00 of the training clips",
        ),
        ("../../config.json", None, r"config\.json is missing, though .* holds checkpoints"),
    ],
)
def test_what_a_training_settled_does_not_shift(
    experiment: Experiment,
    trained: Path,
    tmp_path: Path,
    file: str,
    change: Callable[[str], str] | None,
    message: str,
) -> None:
    """A missing, damaged or edited file is named before anything goes on."""
    shutil.copytree(trained, tmp_path / "run")
    path = tmp_path / "run/models/all" / file
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text()))
    before = content(tmp_path / "run")
    with pytest.raises(ValueError, match=message):
        train(experiment, tmp_path / "run")
    assert content(tmp_path / "run") == before


@pytest.mark.parametrize("kind", ["a clip less", "another sound"])
def test_an_evaluation_needs_the_clips_of_the_training(
    kind: str, trained: Path, recorded: Callable[[str], str], tmp_path: Path
) -> None:
    """Thresholds on other normals would be wrong without a word."""
    shutil.copytree(trained, tmp_path / "run")
    experiment = at(load_experiment(trained), recorded(kind))
    with pytest.raises(ValueError, match=rf"{CHANGES[kind][1]}.*Thresholds and fitted scores"):
        evaluate(experiment, tmp_path / "run")


def test_an_evaluation_leaves_out_what_was_recorded_later(
    trained: Path, recorded: Callable[[str], str], tmp_path: Path, remarks: list[str]
) -> None:
    """Scores, also fitted ones, and decisions are those of before, with a remark."""
    experiment = override(load_experiment(trained), ["evaluation.score=mahalanobis"])
    found = []
    for kind in ("whole", "a clip more"):
        shutil.copytree(trained, tmp_path / kind)
        results = evaluate(at(experiment, recorded(kind)), tmp_path / kind)
        assert results is not None
        found.append(read_clip_scores(results.directory))
    assert found[0] == found[1]
    assert len([text for text in remarks if "1 training clips that" in text]) == 1


def test_clips_that_were_learnt_cannot_validate(trained: Path, tmp_path: Path) -> None:
    """`data.held_out` given to an evaluation alone would choose the checkpoint by what it learnt."""
    shutil.copytree(trained, tmp_path / "run")
    settings = ["data.held_out=0.3", "evaluation.checkpoint=validated"]
    with pytest.raises(ValueError, match=r"learnt from 4 of the 4 clips that data\.held_out holds"):
        evaluate(override(load_experiment(trained), settings), tmp_path / "run")


def test_a_machine_that_came_later_gets_a_model_of_its_own(
    experiment: Experiment, recorded: Callable[[str], str], tmp_path: Path
) -> None:
    """Where there is one model a machine type, the others' clips are the same as before."""
    per_type = override(experiment, ["data.one_model_per=machine_type"])
    train(per_type, tmp_path)
    before = content(tmp_path)
    train(at(per_type, recorded("a machine more")), tmp_path)
    after = content(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"config.json"}
    assert {clip.machine_type for clip in read_record(tmp_path / "models/saw") or []} == {"saw"}
    with pytest.raises(ValueError, match=r"models/fan learnt from other clips"):
        train(at(per_type, recorded("a clip more")), tmp_path)


# A first try that fails, and what is said.
FAILURES = [
    ("data.data_dir=nowhere", "folder is not prepared in nowhere"),
    ("data.machine_types=saw", "machine types saw are not in the prepared dataset"),
    ("data.train_stages=eval", "has no train clips of stage eval"),
    ("data.train_stages=dev,eval", "missing: all additional training clips.*data.incomplete=allow"),
    ("data.class_by=section", "a class is made of machine_type"),
    ("data.channel=far", "has one channel, none is far"),
    ("data.held_out=1", "data.held_out is 1, must be at least 0 and below 1"),
    ("detector.clip.samples=100", "holds no vector of 5"),
    ("evaluation.score=mes", "evaluation.score mes: this detector has mse"),
    ("evaluation.checkpoint=validated", "give --set data.held_out=0.1"),
]


def test_a_try_that_fails_leaves_nothing(experiment: Experiment, tmp_path: Path) -> None:
    """And the second try, under the same name, runs."""
    for setting, message in FAILURES:
        with pytest.raises(ValueError, match=message):
            train(override(experiment, [setting]), tmp_path / "run")
        assert not (tmp_path / "run").exists(), setting
    train(experiment, tmp_path / "run")


def test_one_class_leaves_nothing(tiny: Experiment, experiment: Experiment, tmp_path: Path) -> None:
    """A classifier on one machine, as in a first try with own recordings."""
    one = dataclasses.replace(experiment, detector=tiny.detector)
    with pytest.raises(ValueError, match="a classifier needs two classes"):
        train(override(one, ["data.machine_types=fan"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_start_without_a_checkpoint_binds_nothing(
    experiment: Experiment, recorded: Callable[[str], str], tmp_path: Path
) -> None:
    """What could not be foreseen, such as a loss of NaN, leaves other settings and clips their way."""
    wild = override(experiment, ["detector.learning_rate=1e38", "training.epochs=9"])
    with pytest.raises(NonFiniteLossError):
        train(override(wild, ["training.checkpoint_every=1000"]), tmp_path)
    per_type = override(experiment, ["data.one_model_per=machine_type"])
    train(at(per_type, recorded("a machine more")), tmp_path)
    assert load_experiment(tmp_path).training.epochs == 1
    maps = sorted(path.parent.name for path in tmp_path.glob("models/*/class_map.json"))
    assert maps == ["fan", "press", "saw"]


def test_a_file_in_the_place_of_a_work_directory_is_named(
    experiment: Experiment, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("")
    for workdir in (tmp_path / "run", tmp_path / "run" / "below"):
        with pytest.raises(ValueError, match=r"run is a file, no folder: choose another"):
            train(experiment, workdir)


def test_the_first_lines_say_what_is_trained_on_what(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data, machine types, classes, clips, what is missing and allowed, parameters; then that it compiles."""
    allowed = ["data.train_stages=dev,eval", "data.incomplete=allow"]
    train(override(experiment, allowed), tmp_path)
    lines = capsys.readouterr().out.splitlines()
    starts = ("data", "machine types", "classes", "training clips", "not there", "model all")
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=False)] == [
        True
    ] * 6
    assert "2: fan, press" in lines[1]
    assert "2 by machine_type, section" in lines[2]
    assert " 8 (" in lines[3]
    assert "all additional training clips" in lines[4]
    # 40 inputs, layers of 8, 2, 8 and 40 units, batch normalisation behind each hidden one.
    dense = (40 * 8 + 8) + (8 * 2 + 2) + (2 * 8 + 8) + (8 * 40 + 40)
    assert f"{dense + 2 * (8 + 2 + 8):,} parameters, 2 steps" in lines[5]
    assert lines[6].startswith("compiling model all")
    train(override(experiment, allowed), tmp_path)
    resumed = capsys.readouterr().out
    assert "2 steps behind step 2" in resumed
    assert "compiling" not in resumed


def test_a_class_map_that_was_put_there_outlives_a_failed_start(
    experiment: Experiment, tmp_path: Path
) -> None:
    """It numbers the classes as its author wants."""
    order = (("press", "section_00"), ("fan", "section_00"))
    model = tmp_path / "models" / "all"
    model.mkdir(parents=True)
    ClassMap(("machine_type", "section"), order).save(model / "class_map.json")
    with pytest.raises(NonFiniteLossError):
        train(
            override(
                experiment,
                [
                    "detector.learning_rate=1e38",
                    "training.epochs=9",
                    "training.checkpoint_every=1000",
                ],
            ),
            tmp_path,
        )
    train(experiment, tmp_path)
    assert ClassMap.load(model / "class_map.json").classes == order


def test_a_difference_of_many_keys_is_short(
    experiment: Experiment, tiny: Experiment, trained: Path
) -> None:
    """Another detector is one difference, whatever its keys are."""
    other = dataclasses.replace(tiny, data=experiment.data)
    with pytest.raises(ValueError, match=r"detector\.class was .*STgramMFNConfig") as raised:
        train(other, trained)
    assert "training.epochs was 1, is 2" in str(raised.value)
    assert len(str(raised.value)) < 800
    changed = [f"training.{key}=7" for key in ("epochs", "batch_size", "seed", "log_every")]
    changed += ["detector.bottleneck=7", "evaluation.batch_size=7", "name=seven"]
    with pytest.raises(ValueError, match=r"training\.epochs was 1, is 7, .*, and 2 more\): choose"):
        train(override(experiment, changed), trained)
    with pytest.raises(ValueError, match=r"asd evaluate takes --set for evaluation\.\*"):
        train(override(experiment, ["evaluation.score=mse"]), trained)


def test_a_clip_run_and_a_series_do_not_mix(experiment: Experiment, trained: Path) -> None:
    """A series' work directory is no place for clips, nor the other way round."""
    before = content(trained)
    with pytest.raises(ValueError, match=r"config\.json is of another experiment"):
        _write_config(trained, SeriesExperiment().training_json("0"))
    assert content(trained) == before
