"""Scores the test clips with a trained work directory and prints the year's official table.

python launch/evaluate.py --version=demo
"""

from collections.abc import Sequence

from absl import app

from asd_jax.command_line import chosen_experiment, chosen_workdir, expected_errors, start
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.training.experiment import load_experiment


def main(argv: Sequence[str]) -> None:
    """Evaluates, prints the table and says where the files are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with expected_errors():
        start()
        workdir = chosen_workdir()
        results = evaluate(chosen_experiment(load_experiment(workdir)), workdir)
        print(f"\n{results.text}\n\nscores, decisions, tables and plots: {results.directory}")


if __name__ == "__main__":
    app.run(main)
