"""Trains an experiment; the same command goes on where a stopped one was.

python launch/train.py --config=configs/demo.py --version=demo --set training.epochs=20
"""

from asd_jax import terminal

# isort: split
from collections.abc import Sequence

from absl import app, flags

from asd_jax import command_line
from asd_jax.config import load_config
from asd_jax.training.experiment import train

_CONFIG = flags.DEFINE_string("config", None, "Experiment file under configs/.", required=True)
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> None:
    """Trains and says where the models are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors():
        command_line.start()
        experiment = command_line.chosen_experiment(load_config(terminal.user_path(_CONFIG.value)))
        workdir = command_line.chosen_workdir(experiment)
        for folder in train(experiment, workdir):
            print(f"trained {folder}")
        print(f"next: python launch/evaluate.py --workdir={workdir}")


if __name__ == "__main__":
    app.run(main)
