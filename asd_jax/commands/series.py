"""Trains on a plain time series and scores every time step of another; run again, it goes on where it was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

if TYPE_CHECKING:
    from asd_jax.series.experiment import SeriesExperiment

EXAMPLES = ("series --train=train.npy --test=test.npy --labels=labels.npy --workdir=runs/series",)


_OF_CLIPS = "is for clips: a series has --train and --test files"
NOT_HERE = dict.fromkeys(("dataset", "data_dir", "mode", "machine_types"), _OF_CLIPS)


def key_of(flag: str) -> str | None:
    """The setting of a series that an unknown flag means."""
    from asd_jax.config import keys_named
    from asd_jax.series.experiment import SeriesExperiment

    return keys_named(SeriesExperiment(), flag)


def define(options: Options) -> None:
    """The flags."""
    options.section("the series")
    options.text(
        "train", None, "Normal series [time, channels], .npy or .csv.", "FILE", required=True
    )
    options.text("test", None, "Series to score, of the same channels.", "FILE", required=True)
    options.text("labels", None, "Labels of its time steps, 0 or 1.", "FILE")
    options.yes(
        "point_adjust", "Write point-adjusted figures as well, marked as such; they flatter."
    )
    common.define_recipe(options, "Recipe of a series; the paper's settings where none is given.")
    common.define_run(options)
    options.section("settings")
    options.repeated(
        "set", "Change a setting: --set detector.window=50. Repeat for more.", "KEY=VALUE"
    )
    common.define_cluster(options)


def run(given: Given) -> None:
    """Trains, scores, prints the figures and says where the files are."""
    common.start(given)
    from asd_jax.series.run import run as run_series

    results = run_series(
        _experiment(given),
        common.chosen_workdir(given),
        user_path(given.train),
        user_path(given.test),
        user_path(given.labels) if given.labels else None,
        point_adjust=given.point_adjust,
    )
    if results is not None:
        print(f"\n{results.text}\n\nenergies and decisions: {results.directory}")


def _experiment(given: Given) -> SeriesExperiment:
    from asd_jax.config import override
    from asd_jax.recipes import recipe_path
    from asd_jax.series.experiment import SeriesExperiment, load_series_config

    if given.config:
        return load_series_config(recipe_path(given.config), given["set"])
    return override(SeriesExperiment(), given["set"])
