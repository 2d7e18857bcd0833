"""Compares systems on the same test clips: means, spreads over runs, paired differences with intervals.

python launch/compare.py --published demo=runs/demo,runs/demo_seed1 aegan=runs/demo_aegan_ad other=their/scores

Each argument is NAME=RUN[,RUN...]; a run is a work directory that was evaluated, or a folder of score files. Without a
name, the last part of the path is one. The first system is what the others are compared with.
"""

from asd_jax import terminal

# isort: split
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from absl import app, flags

from asd_jax import command_line
from asd_jax.data.clips import Mode
from asd_jax.evaluation.comparison import RESAMPLES, compare, read_system
from asd_jax.evaluation.comparison_tables import published_systems, write_comparison
from asd_jax.evaluation.truth import truths_of_dataset

_PUBLISHED = flags.DEFINE_bool("published", False, "Put published numbers of the year beside them.")
_OUTPUT = flags.DEFINE_string("output", "comparison", "Folder for the text, CSV and LaTeX tables.")
_RESAMPLES = flags.DEFINE_integer(
    "resamples", RESAMPLES, "Bootstrap resamples for the intervals.", lower_bound=100
)
for _flag in ("dataset", "data_dir", "mode"):
    flags.declare_key_flag(_flag)


def main(argv: Sequence[str]) -> None:
    """Prints the comparison and says where its tables are."""
    if len(argv) < 2:
        raise app.UsageError("name the runs to compare: NAME=RUN[,RUN...]")
    with command_line.expected_errors():
        command_line.start()
        mode = cast(Mode, flags.FLAGS.mode or "development")
        dataset = command_line.chosen_dataset()
        data_dir = flags.FLAGS.data_dir
        if data_dir and not dataset:
            raise ValueError(
                "--data_dir takes the labels of a prepared dataset: say --dataset, too"
            )
        known = truths_of_dataset(dataset, data_dir) if dataset and data_dir else None
        read = [read_system(*_named(text), mode, dataset, known) for text in argv[1:]]
        years = sorted({year for _, year in read})
        if len(years) > 1:
            raise ValueError(f"the systems are of several data sets: {', '.join(years)}")
        systems = [system for system, _ in read]
        comparison = compare(systems, years[0], mode, _RESAMPLES.value)
        published = published_systems(years[0], mode) if _PUBLISHED.value else []
        print(write_comparison(terminal.user_path(_OUTPUT.value), comparison, published))
        print(f"\ntext, CSV and LaTeX: {_OUTPUT.value}")


def _named(text: str) -> tuple[str, list[Path]]:
    name, equals, runs = text.partition("=")
    if not equals:
        name, runs = Path(text).name, text
    return name, [terminal.user_path(run) for run in runs.split(",")]


if __name__ == "__main__":
    app.run(main)
