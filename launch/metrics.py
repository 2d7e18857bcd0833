"""Official metrics for the score files of any system, and whether published tables agree with them.

python launch/metrics.py --dataset=dcase2022 --scores=DIR

The exit status is 0 if all scores are complete and no published number contradicts them, 1 if not, 2 for wrong usage.
"""

from asd_jax import terminal

# isort: split
import sys
from collections.abc import Sequence
from typing import cast

from absl import app, flags

from asd_jax import command_line
from asd_jax.evaluation.foreign import LayoutChoice, evaluate_foreign_scores
from asd_jax.evaluation.truth import Truths, read_truths, truths_of_dataset

_SCORES = flags.DEFINE_string(
    "scores", None, "Folder with anomaly_score_*.csv in it or below it.", required=True
)
_OUTPUT = flags.DEFINE_string("output", "metrics", "Folder for tables, plots and comparisons.")
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth",
    None,
    "eval_data_list.csv, or the folder of a year's evaluator; by default the labels of this package.",
)
_LAYOUT = flags.DEFINE_enum(
    "layout",
    "auto",
    ["auto", "baseline", "evaluator"],
    "Whose result.csv; auto: the baseline's for development, the evaluator's for evaluation data.",
)
_LITERAL_HALVES = flags.DEFINE_bool(
    "literal_halves",
    False,
    "Source and target means of a machine type as the evaluators of 2021 and 2022 halve its rows.",
)
_PLOTS = flags.DEFINE_bool("plots", True, "Draw score histograms and ROC curves as well.")
for _flag in ("dataset", "data_dir"):
    flags.declare_key_flag(_flag)


def main(argv: Sequence[str]) -> None:
    """Prints a table for every system that is found."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors(exit_status=2):
        command_line.start()
        dataset = command_line.chosen_dataset()
        results = evaluate_foreign_scores(
            terminal.user_path(_SCORES.value),
            terminal.user_path(_OUTPUT.value),
            dataset,
            _truths(dataset),
            cast(LayoutChoice, _LAYOUT.value),
            _LITERAL_HALVES.value,
            _PLOTS.value,
        )
        for result in results:
            print(result.text(), end="\n\n")
        print(f"tables, plots and comparisons: {_OUTPUT.value}")
    sys.exit(0 if all(result.is_sound for result in results) else 1)


def _truths(dataset: str | None) -> Truths | None:
    data_dir = flags.FLAGS.data_dir
    if _GROUND_TRUTH.value:
        return read_truths(terminal.user_path(_GROUND_TRUTH.value))
    if data_dir:
        if not dataset:
            raise ValueError(
                "--data_dir takes the labels of a prepared dataset: say --dataset, too"
            )
        return truths_of_dataset(dataset, data_dir)
    return None


if __name__ == "__main__":
    app.run(main)
