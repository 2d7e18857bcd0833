"""Scores and decides your own recordings with a trained work directory; a line a file, as CSV.

python launch/score.py --workdir=runs/demo recordings/fan new.wav --output=scores.csv

A file over twice as long as the training clips is judged by its worst stretch of their length.

Exit status: 0 all files are normal, 1 there are anomalies, 2 wrong usage or set-up, or a fault of the program, 3 some
files could not be heard (unreadable, m4a, no finite score) and the others are normal, 4 the same with anomalies.
"""

from asd_jax import terminal

# isort: split
import io
import os
import sys
import traceback
import typing
from collections.abc import Sequence

from absl import app, flags

from asd_jax import command_line
from asd_jax.inference.hearing import HeardWindows
from asd_jax.inference.run import FileScoring, HeardChannel, calibrate, score_files
from asd_jax.inference.score_table import SETUP_ERROR
from asd_jax.training.experiment import load_experiment

_MACHINE_TYPE = flags.DEFINE_string(
    "machine_type", None, "Of all files. Default: the file's name or a folder above it tells it."
)
_SECTION = flags.DEFINE_string(
    "section",
    None,
    "Of all files: section_01, or 1. Default: as the path says (normal_id_02_..., section_01/...), else the known "
    "section with the lowest score.",
)
_QUANTILE = flags.DEFINE_float(
    "quantile",
    None,
    "An anomaly scores above this quantile of training normals. Default: evaluation.threshold_quantile.",
)
_FALSE_ALARM_RATE = flags.DEFINE_float(
    "false_alarm_rate", None, "Instead: an anomaly has a p-value of at most this."
)
_WINDOWS = flags.DEFINE_enum(
    "windows",
    "auto",
    typing.get_args(HeardWindows),
    "Hear all of each file, or its head. auto: as evaluate does, but longer files to their end.",
)
_CHANNEL = flags.DEFINE_enum(
    "channel", "trained", typing.get_args(HeardChannel), "Of files with several channels."
)
_OUTPUT = flags.DEFINE_string("output", None, "CSV file that gets the lines with all digits.")
_CALIBRATE_ONLY = flags.DEFINE_bool(
    "calibrate_only", False, "Keep the models' calibrations in the work directory, hear no files."
)
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> int:
    """Scores the files that the arguments name; gives the exit status."""
    with command_line.expected_errors(SETUP_ERROR):
        command_line.start()
        workdir = command_line.chosen_workdir()
        experiment = command_line.chosen_experiment(load_experiment(workdir))
        windows = typing.cast(HeardWindows, _WINDOWS.value)
        if _CALIBRATE_ONLY.value:
            for folder in calibrate(experiment, workdir, windows):
                print(f"calibrated {folder}")
            return 0
        scoring = FileScoring(
            _MACHINE_TYPE.value,
            _SECTION.value,
            windows,
            typing.cast(HeardChannel, _CHANNEL.value),
            _QUANTILE.value,
            _FALSE_ALARM_RATE.value,
        )
        # Names that are no Unicode text are printed as the bytes that they are.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="surrogateescape")
        output = terminal.user_path(_OUTPUT.value) if _OUTPUT.value else None
        paths = [terminal.user_path(name) for name in argv[1:]]
        table = score_files(experiment, workdir, paths, scoring, output)
        print(table.summary(), file=sys.stderr)
        return table.status


def _parsed(argv: list[str]) -> list[str]:
    try:
        return app.parse_flags_with_usage(argv)
    except SystemExit as stop:
        # A mistyped flag must not read as an anomaly.
        sys.exit(SETUP_ERROR if stop.code == 1 else stop.code)


if __name__ == "__main__":
    try:
        app.run(main, flags_parser=_parsed)
    except BrokenPipeError:
        # Whoever read the lines has gone; Python would write to it once more on leaving.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(SETUP_ERROR)
    except Exception as error:
        # Python's own status would be 1, an anomaly.
        traceback.print_exc()
        raise SystemExit(SETUP_ERROR) from error
