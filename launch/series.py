"""Trains on a plain time series and scores every time step of another; run again, it goes on where it was stopped.

python launch/series.py --train=train.npy --test=test.npy --labels=labels.npy --workdir=runs/series
"""

from asd_jax import terminal

# isort: split
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from asd_jax import command_line
from asd_jax.config import override
from asd_jax.series.experiment import SeriesExperiment, load_series_config
from asd_jax.series.run import run

_CONFIG = flags.DEFINE_string(
    "config", None, "Series experiment under configs/; the paper's settings where unset."
)
_TRAIN = flags.DEFINE_string(
    "train", None, "Normal series [time, channels], .npy or .csv.", required=True
)
_TEST = flags.DEFINE_string("test", None, "Series to score, of the same channels.", required=True)
_LABELS = flags.DEFINE_string("labels", None, "Labels of its time steps, 0 or 1.")
_POINT_ADJUST = flags.DEFINE_bool(
    "point_adjust", False, "Write point-adjusted figures as well, marked as such; they flatter."
)
_SHARED = (
    "version",
    "workdir",
    "set",
    "multi_process",
    "coordinator_address",
    "num_processes",
    "process_id",
)
_OF_CLIPS = ("dataset", "data_dir", "mode", "machine_types")

for _flag in _SHARED:
    flags.declare_key_flag(_flag)


def main(argv: Sequence[str]) -> None:
    """Trains, scores, prints the figures and says where the files are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    given = [name for name in _OF_CLIPS if flags.FLAGS[name].present]
    if given:
        raise app.UsageError(f"--{given[0]} is for clips: a series has --train and --test files")
    with command_line.expected_errors():
        command_line.start()
        results = run(
            _experiment(),
            command_line.chosen_workdir(),
            _path(_TRAIN.value),
            _path(_TEST.value),
            _path(_LABELS.value) if _LABELS.value else None,
            point_adjust=_POINT_ADJUST.value,
        )
        if results is not None:
            print(f"\n{results.text}\n\nenergies and decisions: {results.directory}")


def _experiment() -> SeriesExperiment:
    settings: list[str] = flags.FLAGS["set"].value or []
    if _CONFIG.value:
        return load_series_config(terminal.user_path(_CONFIG.value), settings)
    return override(SeriesExperiment(), settings)


def _path(text: str) -> Path:
    return terminal.user_path(text)


if __name__ == "__main__":
    app.run(main)
