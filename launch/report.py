"""Writes one HTML file about a trained work directory: results, maps, worst clips with pictures and sound.

python launch/report.py --version=demo
"""

from asd_jax import terminal

# isort: split
from collections.abc import Sequence

from absl import app, flags

from asd_jax import command_line
from asd_jax.report.write import write_report
from asd_jax.training.experiment import load_experiment

flags.adopt_module_key_flags(command_line)
_EXAMPLES = flags.DEFINE_integer(
    "examples",
    3,
    "Worst false alarms to show of each machine type, and as many misses; 0 for no examples.",
    lower_bound=0,
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "File to write. Default: report_<mode>.html in the work directory."
)


def main(argv: Sequence[str]) -> None:
    """Writes the report and says where it is."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors():
        command_line.start()
        workdir = command_line.chosen_workdir()
        experiment = command_line.chosen_experiment(load_experiment(workdir))
        output = terminal.user_path(_OUTPUT.value) if _OUTPUT.value else None
        path = write_report(experiment, workdir, output, _EXAMPLES.value)
        print(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    app.run(main)
