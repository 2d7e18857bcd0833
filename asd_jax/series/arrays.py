"""Time series and labels from files, checked before anything is trained on them."""

import dataclasses
from pathlib import Path

import numpy as np

from asd_jax.series.experiment import SeriesDataConfig


def read_series(path: Path, config: SeriesDataConfig) -> np.ndarray:
    """A series `[time, channels]` float64 from .npy or .csv (one time step a line; a line of names may come first).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no series of finite numbers.
    """
    values = _read(path)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise ValueError(f"{path} has shape {values.shape}: a series is [time, channels]")
    values = values[:, config.skip_columns :]
    if values.size == 0:
        raise ValueError(f"{path} holds no channel behind data.skip_columns={config.skip_columns}")
    if config.missing == "zero":
        values = np.where(np.isnan(values), 0.0, values)
    finite = np.isfinite(values)
    if not finite.all():
        step, channel = np.argwhere(~finite)[0]
        raise ValueError(
            f"{path} holds {np.count_nonzero(~finite)} numbers that are not finite, the first at time step {step}, "
            f"channel {channel}: fill them in, or give --set data.missing=zero for NaN"
        )
    return values


def read_labels(path: Path, steps: int) -> np.ndarray:
    """Labels `[time]` bool from .npy or .csv; of several columns the last counts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not one label of 0 or 1 for each of the test series' time steps.
    """
    labels = _read(path)
    if labels.ndim == 2:
        labels = labels[:, -1]
    if labels.shape != (steps,):
        raise ValueError(
            f"{path} has labels of shape {labels.shape} for {steps} time steps of the test series: "
            "give one label a time step"
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{path} holds labels other than 0 (normal) and 1 (anomaly)")
    return labels.astype(bool)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix not in (".npy", ".csv"):
        raise ValueError(f"{path}: give a .npy or .csv file")
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), np.float64)
        return np.genfromtxt(path, delimiter=",", skip_header=_names(path), ndmin=2)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as numbers: {error}") from error


def _names(path: Path) -> int:
    """1 where a file's first line holds the columns' names, else 0."""
    with path.open(encoding="utf-8") as file:
        cells = file.readline().strip().split(",")
    try:
        [float(cell or "nan") for cell in cells]
    except ValueError:
        return 1
    return 0


@dataclasses.dataclass(frozen=True)
class Standardisation:
    """Mean and deviation of every channel of the training series, `[channels]`."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, training: np.ndarray) -> "Standardisation":
        """The statistics of `[time, channels]`; a constant channel is only centred."""
        deviation = training.std(axis=0)
        return cls(training.mean(axis=0), np.where(deviation > 0, deviation, 1.0))

    def __call__(self, series: np.ndarray) -> np.ndarray:
        """`[time, channels]` to the same shape in float32."""
        return ((series - self.mean) / self.deviation).astype(np.float32)


def require_fit(training: Path, test: Path, shapes: tuple, window: int) -> None:
    """Checks that two series `[time, channels]` go together and are long enough.

    Raises:
        ValueError: other numbers of channels, or fewer time steps than one window.
    """
    for path, shape in zip((training, test), shapes, strict=True):
        if shape[0] < window:
            raise ValueError(
                f"{path} has {shape[0]} time steps, fewer than one window of {window}: "
                "give a longer series, or --set detector.window=N"
            )
    channels = [shape[1] for shape in shapes]
    if channels[0] != channels[1]:
        raise ValueError(
            f"{training} has {channels[0]} channels, {test} has {channels[1]}: "
            "both must hold the same channels in the same order"
        )
