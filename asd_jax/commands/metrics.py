"""Official metrics for the score files of any system, and whether published tables agree with them.

The exit status is 0 if all scores are complete and no published number contradicts them, 1 if not, 2 for wrong usage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

if TYPE_CHECKING:
    from asd_jax.evaluation.truth import Truths

EXAMPLES = ("metrics --dataset=2022 --scores=their/results",)
WRONG_USAGE = 2
LAYOUTS = ("auto", "baseline", "evaluator")


def define(options: Options) -> None:
    """The flags."""
    options.section("the scores")
    options.text(
        "scores",
        None,
        "Folder with anomaly_score_*.csv in it or below it.",
        "FOLDER",
        required=True,
    )
    options.text(
        "ground_truth",
        None,
        "eval_data_list.csv, or the folder of a year's evaluator; by default the labels of this package.",
        "PATH",
    )
    options.section("the tables")
    options.text("output", "metrics", "Folder for tables, plots and comparisons.", "FOLDER")
    options.choice(
        "layout",
        "auto",
        LAYOUTS,
        "Whose result.csv; auto: the baseline's for development, the evaluator's for evaluation data.",
    )
    options.yes(
        "literal_halves",
        "Source and target means of a machine type as the evaluators of 2021 and 2022 halve its rows.",
    )
    options.yes("plots", "Draw score histograms and ROC curves as well.", default=True)
    options.section("the data")
    common.define_dataset(options)


def run(given: Given) -> int:
    """Prints a table for every system that is found."""
    common.start(given)
    from asd_jax.evaluation.foreign import evaluate_foreign_scores

    dataset = common.dataset_name(given.dataset)
    results = evaluate_foreign_scores(
        user_path(given.scores),
        user_path(given.output),
        dataset,
        _truths(given, dataset),
        given.layout,
        given.literal_halves,
        given.plots,
    )
    for result in results:
        print(result.text(), end="\n\n")
    print(f"tables, plots and comparisons: {given.output}")
    return 0 if all(result.is_sound for result in results) else 1


def _truths(given: Given, dataset: str | None) -> Truths | None:
    from asd_jax.evaluation.truth import read_truths, truths_of_dataset

    if given.ground_truth:
        return read_truths(user_path(given.ground_truth))
    if given.data_dir:
        if not dataset:
            raise ValueError(
                "--data_dir takes the labels of a prepared dataset: say --dataset, too"
            )
        return truths_of_dataset(dataset, given.data_dir)
    return None
