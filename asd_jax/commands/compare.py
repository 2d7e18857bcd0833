"""Compares systems on the same test clips: means, spreads over runs, paired differences with intervals.

Each argument is NAME=RUN[,RUN...]; a run is a work directory that was evaluated, or a folder of score files. Without a
name, the last part of the path is one. The first system is what the others are compared with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfds_dcase_command.options import Given, Options, UsageError
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

if TYPE_CHECKING:
    from asd_jax.data.clips import Mode

EXAMPLES = (
    "compare demo=runs/demo,runs/demo_seed1 aegan=runs/demo_aegan_ad other=their/scores",
    "compare --published runs/demo",
)
ARGUMENTS = "NAME=RUN[,RUN...]..."
# As asd_jax.evaluation.comparison has it.
RESAMPLES = 1000


def define(options: Options) -> None:
    """The flags."""
    options.section("the comparison")
    options.yes("published", "Put published numbers of the year beside them.")
    options.text("output", "comparison", "Folder for the text, CSV and LaTeX tables.", "FOLDER")
    options.whole("resamples", RESAMPLES, "Bootstrap resamples for the intervals.", least=100)
    options.section("the data")
    common.define_dataset(options)
    common.define_mode(options)


def run(given: Given) -> None:
    """Prints the comparison and says where its tables are."""
    if not given.arguments:
        raise UsageError("name the runs to compare: NAME=RUN[,RUN...]")
    common.start(given)
    from asd_jax.evaluation.comparison import compare, read_system
    from asd_jax.evaluation.comparison_tables import published_systems, write_comparison
    from asd_jax.evaluation.truth import truths_of_dataset

    mode: Mode = given.mode or "development"
    dataset = common.dataset_name(given.dataset)
    if given.data_dir and not dataset:
        raise ValueError("--data_dir takes the labels of a prepared dataset: say --dataset, too")
    known = truths_of_dataset(dataset, given.data_dir) if dataset and given.data_dir else None
    read = [read_system(*_named(text), mode, dataset, known) for text in given.arguments]
    years = sorted({year for _, year in read})
    if len(years) > 1:
        raise ValueError(f"the systems are of several data sets: {', '.join(years)}")
    systems = [system for system, _ in read]
    comparison = compare(systems, years[0], mode, given.resamples)
    published = published_systems(years[0], mode) if given.published else []
    print(write_comparison(user_path(given.output), comparison, published))
    print(f"\ntext, CSV and LaTeX: {given.output}")


def _named(text: str) -> tuple[str, list[Path]]:
    name, equals, runs = text.partition("=")
    if not equals:
        name, runs = Path(text).name, text
    return name, [user_path(run) for run in runs.split(",")]
