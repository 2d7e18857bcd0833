"""Time series and labels from files, checked before anything is trained on them."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from tfds_dcase.regular_files import require_regular_file
from tfds_dcase.text_tables import TextTable, read_table

from asd_jax.series.columns import Columns, columns_of, is_stamp, label_column, require_channels
from asd_jax.series.experiment import SeriesDataConfig

LARGEST = 1e30
"""Beyond it, squares leave float32: no physical quantity, but what a sensor or a logger writes for an error."""
_TEXT = (".csv", ".tsv", ".txt", ".dat")


def read_series(path: Path, config: SeriesDataConfig) -> np.ndarray:
    """A series `[time, channels]` float64 from .npy or a text (one time step a line).

    The dialect of a text and what its columns are is found and printed; `config` tells what cannot be found.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no series of finite numbers.
    """
    values = _values(path, config)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise ValueError(f"{path} has shape {values.shape}: a series is [time, channels]")
    if values.size == 0:
        raise ValueError(f"{path} holds no channel behind data.skip_columns={config.skip_columns}")
    if config.missing == "zero":
        values = np.where(np.isnan(values), 0.0, values)
    finite = np.isfinite(values)
    if not finite.all():
        step, channel = np.argwhere(~finite)[0]
        raise ValueError(
            f"{path} lacks {np.count_nonzero(~finite)} numbers (missing or not finite), the first at time step {step}, "
            f"channel {channel}: fill the gaps from their neighbours, or cut the file there"
        )
    return values


def require_moderate(path: Path, series: np.ndarray) -> None:
    """Refuses a training series with numbers that no sensor gives: one of them would flatten all others.

    Raises:
        ValueError: names the first of them.
    """
    wild = np.abs(series) > LARGEST
    if wild.any():
        step, channel = np.argwhere(wild)[0]
        raise ValueError(
            f"{path} holds {np.count_nonzero(wild)} numbers beyond {LARGEST:g}, the first at time step {step}, channel "
            f"{channel} ({series[step, channel]:g}), a sensor's mark for an error as a rule: cut such steps out"
        )


def read_labels(path: Path, steps: int, config: SeriesDataConfig | None = None) -> np.ndarray:
    """Labels `[time]` bool from .npy or a text; of several columns that one that is named so.

    Args:
        path: of the file.
        steps: of the test series.
        config: its `header` and `decimal` count here as well.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not one label of 0 or 1 for each of the test series' time steps.
    """
    if path.suffix == ".npy":
        labels = _array(path)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
    else:
        config = config or SeriesDataConfig()
        table = _table(path, config)
        columns = columns_of(table, config.header)
        _say(path, table, columns, "columns")
        chosen = label_column(table, columns)
        labels = _numbers(table, columns, range(chosen, chosen + 1))[:, 0]
    if labels.shape != (steps,):
        raise ValueError(
            f"{path} has labels of shape {labels.shape} for {steps} time steps of the test series: "
            "give one label a time step"
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{path} holds labels other than 0 (normal) and 1 (anomaly)")
    return labels.astype(bool)


def _values(path: Path, config: SeriesDataConfig) -> np.ndarray:
    if path.suffix == ".npy":
        values = _array(path)
        return values[:, config.skip_columns :] if values.ndim == 2 else values
    table = _table(path, config)
    columns = columns_of(table, config.header, config.skip_columns)
    _say(path, table, columns, "channels")
    require_channels(table, columns)
    return _numbers(table, columns, range(columns.times, columns.width))


def _array(path: Path) -> np.ndarray:
    require_regular_file(path, "a series in .npy or .csv")
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read as numbers: {error}") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        kind = getattr(values, "dtype", type(values).__name__)
        raise ValueError(f"{path} cannot be read as real numbers: it holds {kind}")
    return values.astype(np.float64)


def _table(path: Path, config: SeriesDataConfig) -> TextTable:
    if path.suffix.lower() not in _TEXT:
        raise ValueError(f"{path}: give a .npy file, or a text in {', '.join(_TEXT)}")
    decimal = {"auto": "", "point": ".", "comma": ","}[config.decimal]
    table = read_table(path, "a series in .npy or .csv", decimal)
    if not table.rows:
        raise ValueError(f"{path} holds no line of numbers")
    return table


def _say(path: Path, table: TextTable, columns: Columns, what: str) -> None:
    print(f"{path} is read as: {table.dialect()}, {columns.told(what)}", file=sys.stderr)


def _numbers(table: TextTable, columns: Columns, wanted: range) -> np.ndarray:
    """Numbers `[rows, columns]`; a cell of text is an error that names its line."""
    first = 1 if columns.header else 0
    rows, lines = table.rows[first:], table.lines[first:]
    if not rows:
        raise ValueError(f"{table.path} holds names of columns and no number")
    values = np.empty((len(rows), len(wanted)))
    for i, row in enumerate(rows):
        for k, column in enumerate(wanted):
            value = table.number(row[column])
            if value is None:
                cure = ": put columns of times in front" if is_stamp(row[column]) else ""
                raise ValueError(
                    f"{table.path}, line {lines[i]}, column {column + 1}: {row[column][:40]!r} is text, where a number "
                    f"belongs (read as: {table.dialect()}, {columns.told()}){cure}"
                )
            values[i, k] = value
    return values


def constant_channels(series: np.ndarray) -> np.ndarray:
    """Which channels of `[time, channels]` never change, but for the rounding of sums, bool `[channels]`."""
    largest = np.abs(series).max(axis=0)
    # The mean of n equal numbers is off by up to n roundings; so is the deviation from it.
    bound = np.finfo(np.float64).eps * largest * max(16.0, len(series) ** 0.5)
    return (np.ptp(series, axis=0) <= bound) | (series.std(axis=0) <= bound)


@dataclasses.dataclass(frozen=True)
class Standardisation:
    """Mean and deviation of every channel of the training series, `[channels]`."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, training: np.ndarray) -> "Standardisation":
        """The statistics of `[time, channels]`; a constant channel is only centred."""
        deviation = training.std(axis=0)
        constant = constant_channels(training)
        mean = np.where(constant, training[0], training.mean(axis=0))
        return cls(mean, np.where(constant, 1.0, deviation))

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
