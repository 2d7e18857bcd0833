"""What a run on plain time series is: frozen dataclasses with a default for every key."""

import dataclasses
import json
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from asd_jax.config import TrainingConfig, override
from asd_jax.detectors.minimax import MinimaxConfig
from asd_jax.ranges import BatchSize, Count, CountOrNone, PerCent


@dataclasses.dataclass(frozen=True)
class SeriesDetectorConfig(MinimaxConfig):
    """The Anomaly Transformer on windows of a series; the defaults are the published ones.

    Attributes:
        window: time steps that attend to each other (published: win_size).
    """

    halve_rate: bool = True
    window: Count = 100


@dataclasses.dataclass(frozen=True)
class SeriesDataConfig:
    """How files become series.

    Attributes:
        train_hop: time steps between the starts of training windows.
        skip_columns: leading columns that are no channels; 0 finds time stamps and numbers of rows.
        missing: a missing number (NaN) is an "error", or becomes "zero" as in the published code.
        decimal: how a text writes numbers, where that cannot be found.
        header: whether a text's first line holds names, where that cannot be found.
    """

    train_hop: Count = 1
    skip_columns: CountOrNone = 0
    missing: Literal["error", "zero"] = "error"
    decimal: Literal["auto", "point", "comma"] = "auto"
    header: Literal["auto", "yes", "no"] = "auto"


@dataclasses.dataclass(frozen=True)
class SeriesScoringConfig:
    """How time steps are scored and decided.

    Attributes:
        hop: time steps between windows; 0 means one window. Energies are averaged where windows overlap.
        batch_size: windows at once.
        anomaly_ratio: per cent of the energies that lie above the threshold (published: r).
        thuml_threshold: take the threshold over training AND test energies, as the published code does; by default
            the test series has no say.
        thuml_adjustment: leave out the very first time step when adjusting, as the published code does.
    """

    hop: CountOrNone = 0
    batch_size: BatchSize = 64
    anomaly_ratio: PerCent = 1.0
    thuml_threshold: bool = False
    thuml_adjustment: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.anomaly_ratio < 100:
            raise ValueError(f"scoring.anomaly_ratio={self.anomaly_ratio}: per cent, 0 to 100")


@dataclasses.dataclass(frozen=True)
class SeriesExperiment:
    """A reproducible run; a file under `configs/` returns one from `get_config()`."""

    name: str = "anomaly_transformer_series"
    detector: SeriesDetectorConfig = SeriesDetectorConfig()
    data: SeriesDataConfig = SeriesDataConfig()
    training: TrainingConfig = TrainingConfig(epochs=10, batch_size=32)
    scoring: SeriesScoringConfig = SeriesScoringConfig()

    def faults(self) -> list[str]:
        """What does not fit together; see `ranges.require_in_range`."""
        if self.scoring.hop > self.detector.window:
            return [
                f"scoring.hop is {self.scoring.hop}, must be at most detector.window, {self.detector.window}: time "
                "steps between two windows would have no score"
            ]
        return []

    def training_json(self, training_data: str) -> str:
        """All that a training depends on, with a digest of its data; scoring may change afterwards."""
        content = dataclasses.asdict(self)
        del content["scoring"]
        # How a file is read: the digest is of what was read.
        del content["data"]["decimal"], content["data"]["header"]
        return json.dumps(content | {"training_data": training_data}, indent=2) + "\n"


def load_series_config(path: Path, settings: Sequence[str] = ()) -> SeriesExperiment:
    """Runs `get_config()` of a configuration file and applies `section.key=value` settings.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file returns no `SeriesExperiment`, or see `asd_jax.config.override`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no configuration {path}: give a file such as configs/*_series.py")
    get_config = runpy.run_path(str(path)).get("get_config")
    experiment = get_config() if get_config else None
    if not isinstance(experiment, SeriesExperiment):
        raise ValueError(f"{path} has no get_config() that returns a SeriesExperiment")
    return override(experiment, settings)
