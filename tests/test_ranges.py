"""Every setting has a type and a range that are checked before anything starts, all in one error."""

import dataclasses
import importlib
import json
import pkgutil
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

import asd_jax.detectors
from asd_jax.config import Experiment, load_config, override
from asd_jax.detectors.base import DetectorConfig
from asd_jax.detectors.catalogue import OWN
from asd_jax.detectors.stgram_mfn import STgramMFNConfig
from asd_jax.ranges import Range
from asd_jax.series.experiment import SeriesExperiment


def own_detectors() -> list[type[DetectorConfig]]:
    for module in pkgutil.iter_modules(asd_jax.detectors.__path__):
        importlib.import_module(f"asd_jax.detectors.{module.name}")

    def below(kind: type) -> Iterator[type]:
        lower: list[type] = kind.__subclasses__()
        for one in lower:
            yield one
            yield from below(one)

    return sorted(
        {kind for kind in below(DetectorConfig) if kind.__module__.startswith("asd_jax.")},
        key=str,
    )


def numbers_without_range(kind: Any) -> bool:
    """Whether an annotation holds a number that nothing bounds."""
    if typing.get_origin(kind) is Annotated:
        return not any(isinstance(part, Range) for part in typing.get_args(kind)[1:])
    if typing.get_origin(kind) is tuple:
        return any(numbers_without_range(part) for part in typing.get_args(kind) if part is not ...)
    return kind in (int, float)


def groups_of(kind: Any) -> set[Any]:
    hints = typing.get_type_hints(kind)
    below = {hints[field.name] for field in dataclasses.fields(kind)}
    return {kind}.union(*(groups_of(group) for group in below if dataclasses.is_dataclass(group)))


def test_no_number_of_any_setting_is_without_a_range() -> None:
    """A field that is added later cannot forget it."""
    roots = [Experiment, SeriesExperiment, *own_detectors()]
    groups: set[Any] = set().union(*(groups_of(root) for root in roots))
    for group in groups:
        hints = typing.get_type_hints(group, include_extras=True)
        free = [
            field.name
            for field in dataclasses.fields(group)
            if numbers_without_range(hints[field.name])
        ]
        assert not free, group


def test_the_catalogue_names_every_detector_of_the_package() -> None:
    named = {f"{kind.__module__}:{kind.__qualname__}" for kind in own_detectors()}
    builds = {name for name in named if "Config" in name and not name.endswith(":DetectorConfig")}
    assert builds == OWN


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("training.keep_checkpoints=0", "training.keep_checkpoints is 0, must be at least 1"),
        ("training.epochs=-3", "training.epochs is -3, must be at least 0"),
        (
            "training.seed=99999999999999999999",
            "training.seed is 99999999999999999999, must be at least 0 and at most 4294967295",
        ),
        ("training.seed=-1", "training.seed is -1"),
        ("training.batch_size=0", "training.batch_size is 0"),
        ("training.log_every=0", "training.log_every is 0"),
        ("training.checkpoint_every=-1", "training.checkpoint_every is -1"),
        ("detector.learning_rate=-1e-4", "detector.learning_rate is -0.0001"),
        ("detector.learning_rate=nan", "detector.learning_rate is nan, must be finite"),
        ("detector.learning_rate=inf", "detector.learning_rate is inf, must be finite"),
        ("detector.width=0", "detector.width is 0"),
        ("detector.stages=((0,64,1,2),)", "detector.stages[0][0] is 0"),
        ("detector.clip.samples=0", "detector.clip.samples is 0"),
        ("detector.clip.hop=-1", "detector.clip.hop is -1"),
        ("detector.features.f_min=9000", "detector.features.f_min=9000 and f_max=0: must rise"),
        ("detector.features.f_max=20000", "must rise, to at most 8000 Hz"),
        ("detector.features.n_mels=4000", "n_fft=1024 has 513 bins"),
        ("evaluation.threshold_quantile=1.5", "evaluation.threshold_quantile is 1.5"),
        ("evaluation.threshold_quantile=0", "evaluation.threshold_quantile is 0"),
        ("evaluation.scorer.neighbours=0", "evaluation.scorer.neighbours is 0"),
        (
            "training.epochs=2147483648",
            "training.epochs is 2147483648, must be at least 0 and at most 2147483647",
        ),
        ("evaluation.batch_size=2147483647", "evaluation.batch_size is 2147483647, must be at"),
        ("detector.features.n_fft=1048576", "detector.features.n_fft is 1048576, must be at"),
        ("data.class_by=machine_type,machine_type", "data.class_by names 'machine_type' twice"),
        ("data.class_by=machine", "data.class_by names 'machine', must be of machine_type, sec"),
        ("data.class_by=", "data.class_by is empty"),
        ("data.train_stages=dev,dev", "data.train_stages names 'dev' twice"),
        ("data.machine_types=fan,fan", "data.machine_types names 'fan' twice"),
        ("data.held_out=1", "data.held_out is 1, must be at least 0 and below 1"),
    ],
)
def test_a_setting_out_of_its_range_is_told(setting: str, told: str) -> None:
    experiment = Experiment("test", STgramMFNConfig())
    with pytest.raises(ValueError, match=re.escape(told)):
        override(experiment, [setting])


def test_windows_that_leave_time_steps_out_are_told() -> None:
    with pytest.raises(ValueError, match=r"scoring\.hop is 200, must be at most detector\.window"):
        override(SeriesExperiment(), ["scoring.hop=200"])


def test_all_faults_come_in_one_error() -> None:
    experiment = Experiment("test", STgramMFNConfig())
    with pytest.raises(ValueError, match=r"epochs is -1.*keep_checkpoints is 0") as error:
        override(experiment, ["training.epochs=-1", "training.keep_checkpoints=0"])
    assert "--set training.epochs=-1, training.keep_checkpoints=0: " in str(error.value)


def test_a_recipe_out_of_range_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from asd_jax.config import Experiment, TrainingConfig\n"
        "from asd_jax.detectors.stgram_mfn import STgramMFNConfig\n"
        "def get_config():\n"
        "    return Experiment('m', STgramMFNConfig(), training=TrainingConfig(epochs=2.5))\n"
    )
    with pytest.raises(ValueError, match=r"mine\.py: training\.epochs is 2\.5, must be a whole"):
        load_config(path)


def test_all_wrong_settings_come_in_one_error() -> None:
    wanted = ("training.epochs", "the nearest is training.epochs", "choose one of development")
    settings = ["training.epochs=-1", "training.epoch=3", "data.mode=test"]
    with pytest.raises(ValueError, match="nearest") as found:
        override(Experiment("test", STgramMFNConfig()), settings)
    assert all(part in str(found.value) for part in wanted)


def test_a_number_that_is_no_float_is_out_of_range() -> None:
    content = json.loads(Experiment("test", STgramMFNConfig()).to_json())
    content["training"]["epochs"] = content["detector"]["learning_rate"] = 10**400
    with pytest.raises(ValueError, match=r"learning_rate.*epochs|epochs.*learning_rate|rate"):
        Experiment.from_json(json.dumps(content))
