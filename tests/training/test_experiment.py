"""A whole experiment: its work directory, going on in it, and what is refused there."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import Experiment, override
from asd_jax.data.classes import ClassMap
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.experiment import load_experiment, train
from asd_jax.training.logs import read_log
from asd_jax.training.loop import NonFiniteLossError


@pytest.fixture
def experiment(tiny: Experiment, prepared: Any) -> Experiment:
    return override(tiny, [f"data.data_dir={prepared('dcase2020', ['fan', 'valve'])}"])


@pytest.fixture(scope="module")
def trained(tiny: Experiment, prepared: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("trained")
    train(override(tiny, [f"data.data_dir={prepared('dcase2020', ['fan', 'valve'])}"]), workdir)
    return workdir


def test_the_work_directory_holds_all_that_later_commands_need(
    trained: Path, experiment: Experiment
) -> None:
    """Configuration with the stages spelled out, class map, checkpoints, log and events."""
    expected = override(experiment, ["data.train_stages=dev"])
    assert load_experiment(trained) == expected
    model = trained / "models" / "all"
    class_map = ClassMap.load(model / "class_map.json")
    assert class_map.classes == (
        ("fan", "id_00"),
        ("fan", "id_02"),
        ("valve", "id_00"),
        ("valve", "id_02"),
    )
    rows = read_log(model)
    # 24 clips in batches of 8, two epochs.
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["epoch"] == 2
    assert {"loss", "accuracy", "gradient_norm", "learning_rate"} <= rows[0].keys()
    with Checkpoints(model / "checkpoints") as checkpoints:
        assert checkpoints.latest_step() == 6
    assert len(list((model / "tensorboard").iterdir())) == 1


def test_a_finished_experiment_changes_nothing(trained: Path, experiment: Experiment) -> None:
    def times() -> dict[Path, int]:
        logged = ("checkpoints", "tensorboard", "metrics.jsonl", "config.json")
        paths = [path for path in trained.rglob("*") if path.is_file()]
        return {p: p.stat().st_mtime_ns for p in paths if set(logged) & set(p.parts)}

    before = times()
    assert len(before) > 5
    assert train(experiment, trained) == [trained / "models" / "all"]
    assert times() == before


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("training.epochs=3", "training.epochs was 2, is 3"),
        ("detector.clip.samples=4000", "detector.clip.samples was 8000, is 4000"),
        ("data.mode=evaluation", "data.mode was 'development', is 'evaluation'"),
        ("data.machine_types=fan", r"data.machine_types was \(\), is \('fan',\)"),
    ],
)
def test_a_work_directory_takes_one_experiment_only(
    trained: Path, experiment: Experiment, setting: str, change: str
) -> None:
    """The changed key is named, and how to go on."""
    changed = override(experiment, ["data.train_stages=dev", setting])
    with pytest.raises(ValueError, match=rf"config.json is of another experiment \({change}\): "):
        train(changed, trained)


PER_TYPE = ("data.one_model_per=machine_type", "training.epochs=1")


@pytest.fixture(scope="module")
def trained_per_type(
    tiny: Experiment, prepared: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    workdir = tmp_path_factory.mktemp("trained_per_type")
    data_dir = prepared("dcase2020", ["fan", "valve"])
    folders = train(override(tiny, [f"data.data_dir={data_dir}", *PER_TYPE]), workdir)
    assert folders == [workdir / "models" / "fan", workdir / "models" / "valve"]
    return workdir


def test_one_model_a_machine_type(trained_per_type: Path) -> None:
    """Each has its own classes, and half the steps of a model of both."""
    for folder in (trained_per_type / "models").iterdir():
        classes = ClassMap.load(folder / "class_map.json").classes
        assert classes == ((folder.name, "id_00"), (folder.name, "id_02"))
        assert [row["step"] for row in read_log(folder)] == [1, 2]


def test_a_model_that_is_missing_among_several_is_trained(
    trained_per_type: Path, experiment: Experiment, tmp_path: Path
) -> None:
    """The finished machine type is left as it is."""
    workdir = tmp_path / "run"
    shutil.copytree(trained_per_type, workdir, ignore=shutil.ignore_patterns("valve"))
    kept = (workdir / "models" / "fan" / "metrics.jsonl").stat().st_mtime_ns
    train(override(experiment, PER_TYPE), workdir)
    assert (workdir / "models" / "fan" / "metrics.jsonl").stat().st_mtime_ns == kept
    again, first = (read_log(folder / "models" / "valve") for folder in (workdir, trained_per_type))
    assert [row["loss"] for row in again] == [row["loss"] for row in first]


def test_a_learning_rate_beyond_reason_is_noticed(experiment: Experiment, tmp_path: Path) -> None:
    """The real network's loss stops being a number; step and clips are named."""
    wild = override(experiment, ["detector.learning_rate=1e37", "training.epochs=3"])
    with pytest.raises(NonFiniteLossError, match=r"at step \d+\. .*dcase2020/dev/(fan|valve)/"):
        train(wild, tmp_path)


def test_a_folder_without_configuration_is_no_work_directory(trained: Path) -> None:
    """The work directories beside it are listed: a mistyped name is the likely cause."""
    with pytest.raises(FileNotFoundError) as raised:
        load_experiment(trained.parent / "mistyped")
    assert "mistyped holds no config.json: give the --workdir of a training" in str(raised.value)
    assert str(trained) in str(raised.value)


def test_a_class_map_that_is_there_stays(experiment: Experiment, tmp_path: Path) -> None:
    """Imported weights number the classes as their authors did: training on must not renumber them."""
    types = ("valve", "fan")
    order = tuple((name, section) for name in types for section in ("id_02", "id_00"))
    model = tmp_path / "models" / "all"
    model.mkdir(parents=True)
    ClassMap(("machine_type", "section"), order).save(model / "class_map.json")
    train(override(experiment, ["training.epochs=1"]), tmp_path)
    assert ClassMap.load(model / "class_map.json").classes == order
