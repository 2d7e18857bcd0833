"""Scores the test clips with a trained work directory and prints the year's official table.

python launch/evaluate.py --version=demo
"""

from collections.abc import Sequence

from absl import app, flags

from asd_jax import command_line
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.training.experiment import load_experiment

flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> None:
    """Evaluates, prints the table and says where the files are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors():
        command_line.start()
        workdir = command_line.chosen_workdir()
        results = evaluate(command_line.chosen_experiment(load_experiment(workdir)), workdir)
        if results is not None:
            print(f"\n{results.text}\n\nscores, decisions, tables and plots: {results.directory}")


if __name__ == "__main__":
    app.run(main)
