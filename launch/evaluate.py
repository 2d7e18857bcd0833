"""Scores the test clips with a trained work directory and prints the year's official table.

python launch/evaluate.py --version=demo
"""

from asd_jax import terminal

# isort: split
from collections.abc import Sequence
from typing import cast

from absl import app, flags

from asd_jax import command_line
from asd_jax.evaluation.evaluate import ProtocolName, evaluate
from asd_jax.training.experiment import load_experiment

_PROTOCOL = flags.DEFINE_enum(
    "protocol",
    "honest",
    ["honest", "oracle"],
    "honest: last or validated checkpoint, fixed score, thresholds from training normals. oracle: all three chosen by "
    "test labels, to compare with papers that do so; its tables and files say so.",
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder for the results, in place of results/<mode> in the work directory, which then may be read-only.",
)
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> None:
    """Evaluates, prints the table and says where the files are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors():
        command_line.start()
        workdir = command_line.chosen_workdir()
        experiment = command_line.chosen_experiment(load_experiment(workdir))
        output = terminal.user_path(_OUTPUT.value) if _OUTPUT.value else None
        results = evaluate(experiment, workdir, cast(ProtocolName, _PROTOCOL.value), output)
        if results is not None:
            print(f"\n{results.text}\n\nscores, decisions, tables and plots: {results.directory}")


if __name__ == "__main__":
    app.run(main)
