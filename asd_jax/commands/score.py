"""Scores and decides your own recordings with a trained run: one line per file, as CSV.

A file over twice as long as the training clips is judged by its worst stretch of their length.

Exit status: 0 all files are normal, 1 there are anomalies, 2 wrong usage or set-up, or a fault of the program, 3 some
files could not be read (damaged, m4a, no finite score) and the others are normal, 4 the same with anomalies.
"""

import io
import sys

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

EXAMPLES = (
    "score --workdir=runs/demo recordings/fan new.wav --output=scores.csv",
    "score --version=demo --calibrate_only",
)
ARGUMENTS = "FILE_OR_FOLDER..."
WRONG_USAGE = 2
WINDOWS = ("auto", "head", "all")
CHANNELS = ("trained", "mean", "first", "second")


def define(options: Options) -> None:
    """The flags."""
    options.section("the recordings")
    options.text(
        "machine_type",
        None,
        "Of all files. Default: the file's name or a folder above it tells it.",
        "TYPE",
    )
    options.text(
        "section",
        None,
        "Of all files: section_01, or 1. Default: as the path says (normal_id_02_..., section_01/...), else the known "
        "section with the lowest score.",
        "SECTION",
    )
    options.choice(
        "windows",
        "auto",
        WINDOWS,
        "Score all of each file, or its head. auto: as evaluate does, but longer files to their end.",
    )
    options.choice("channel", "trained", CHANNELS, "Of files with several channels.")
    options.section("the decision")
    options.number(
        "quantile",
        None,
        "An anomaly scores above this quantile of training normals. Default: evaluation.threshold_quantile.",
    )
    options.number("false_alarm_rate", None, "Instead: an anomaly has a p-value of at most this.")
    options.text("output", None, "CSV file that gets the lines with all digits.", "FILE.csv")
    options.yes("calibrate_only", "Keep the models' calibrations in the run, score no files.")
    common.define_all(options)


def run(given: Given) -> int:
    """Scores the files that the arguments name; gives the exit status."""
    workdir, experiment = common.trained_run(given)
    from asd_jax.inference.run import FileScoring, calibrate, score_files

    if given.calibrate_only:
        for folder in calibrate(experiment, workdir, given.windows):
            print(f"calibrated {folder}")
        return 0
    scoring = FileScoring(
        given.machine_type,
        given.section,
        given.windows,
        given.channel,
        given.quantile,
        given.false_alarm_rate,
    )
    # Names that are no Unicode text are printed as the bytes that they are.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    output = user_path(given.output) if given.output else None
    paths = [user_path(name) for name in given.arguments]
    table = score_files(experiment, workdir, paths, scoring, output)
    print(table.summary(), file=sys.stderr)
    return table.status
