"""Experiments: overrides from the command line, JSON in the run's folder, configuration files."""

import json
import re
from pathlib import Path

import pytest

from asd_jax.config import Experiment, load_config, override
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.stgram_mfn import STgramMFNConfig

FILES = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
# What launch/series.py runs has no data set; its own tests load it.
CONFIGS = [path for path in FILES if not path.stem.endswith("_series")]


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(name="test", detector=STgramMFNConfig())


def detector_of(experiment: Experiment) -> STgramMFNConfig:
    assert isinstance(experiment.detector, STgramMFNConfig)
    return experiment.detector


def test_overrides_of_every_type(experiment: Experiment) -> None:
    changed = override(
        experiment,
        [
            "name=other",
            "training.epochs=7",
            "detector.learning_rate=3e-4",
            "detector.easy_margin=true",
            "data.machine_types=fan,pump",
            "data.train_stages=dev,eval",
            "data.mode=evaluation",
            "data.data_dir=a=b",
            "detector.clip.samples=32000",
            "detector.features.n_mels=64",
            "detector.stages=((2,64,1,2),(4,64,2,2))",
        ],
    )
    assert (changed.name, changed.training.epochs) == ("other", 7)
    assert changed.data.machine_types == ("fan", "pump")
    assert changed.data.train_stages == ("dev", "eval")
    assert (changed.data.mode, changed.data.data_dir) == ("evaluation", "a=b")
    detector = detector_of(changed)
    assert detector.learning_rate == 3e-4
    assert detector.easy_margin is True
    assert detector.clip == WindowPolicy(samples=32000)
    assert detector.features.n_mels == 64
    assert detector.stages == ((2, 64, 1, 2), (4, 64, 2, 2))
    assert experiment == Experiment(name="test", detector=STgramMFNConfig())


def test_the_last_of_two_overrides_counts(experiment: Experiment) -> None:
    changed = override(experiment, ["training.seed=1", "training.seed=2"])
    assert changed.training.seed == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.epoch=3", "unknown key; the nearest is training.epochs"),
        ("detector.clip.sample=3", "unknown key; the nearest is detector.clip.samples"),
        ("training.lerning_rate=3", "unknown key; the nearest is training."),
        ("trainning.epochs=3", "unknown key; the nearest is training.epochs"),
        ("epochs=3", "unknown key; the nearest is training.epochs"),
        ("training.epochs.first=3", "unknown key; training.epochs has no keys of its own"),
        ("training.epochs=many", "--set training.epochs=many: expected a whole number"),
        ("data.mode=test", "--set data.mode=test: choose one of development, evaluation"),
        ("detector.clip=3", "--set detector.clip: a group of keys; its keys are samples, training"),
        ("training.epochs", "--set training.epochs: write section.key=value"),
        ("=3", "unknown key"),
    ],
)
def test_wrong_overrides_name_the_cure(experiment: Experiment, setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        override(experiment, [setting])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_file_survives_json(path: Path) -> None:
    """The run's folder holds the configuration as JSON; later commands read the same experiment from it."""
    experiment = load_config(path)
    assert experiment.name == path.stem
    again = Experiment.from_json(experiment.to_json())
    assert again == experiment
    assert type(again.detector) is type(experiment.detector)
    assert again.to_json() == experiment.to_json()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_file_builds_its_detector(path: Path) -> None:
    experiment = load_config(path)
    detector = experiment.detector.build(3, 5, experiment.training.epochs)
    assert experiment.detector.windows().samples > 0
    assert detector.score_names


@pytest.mark.parametrize(
    ("detector_class", "message"),
    [
        ("os:getcwd", "the detector os:getcwd is not part of asd_jax"),
        ("asd_jax.config:Experiment", "the detector asd_jax.config:Experiment is not part of"),
        ("no_such_module:Config", "the detector no_such_module:Config is not part of asd_jax"),
        ("asd_jax.detectors.stgram_mfn:Gone", "stgram_mfn:Gone is not part of asd_jax"),
    ],
)
def test_a_class_that_is_no_detector_is_refused(
    experiment: Experiment, detector_class: str, message: str
) -> None:
    content = json.loads(experiment.to_json())
    content["detector"]["class"] = detector_class
    with pytest.raises(ValueError, match=message):
        Experiment.from_json(json.dumps(content))


@pytest.mark.parametrize("section", ["detector", "training", None])
def test_unknown_json_keys_are_refused(experiment: Experiment, section: str | None) -> None:
    content = json.loads(experiment.to_json())
    (content[section] if section else content)["colour"] = "red"
    with pytest.raises(ValueError, match="has no colour; it has "):
        Experiment.from_json(json.dumps(content))


def test_a_missing_configuration_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "demo.py").write_text("")
    with pytest.raises(FileNotFoundError, match=r"no configuration .*dem\.py; there: .*demo\.py"):
        load_config(tmp_path / "dem.py")
    with pytest.raises(FileNotFoundError, match="there: none"):
        load_config(tmp_path / "empty" / "demo.py")


@pytest.mark.parametrize("content", ["", "def get_config():\n    return {'epochs': 3}\n"])
def test_a_file_that_returns_no_experiment_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"broken\.py has no get_config\(\) that returns"):
        load_config(path)


@pytest.mark.parametrize("text", ["{}", '{"detector": {"margin": 0.5}}'])
def test_json_without_a_detector_class_is_refused(text: str) -> None:
    """A foreign config.json is named as such."""
    with pytest.raises(ValueError, match="names no detector class"):
        Experiment.from_json(text)
