"""Trains an experiment; the same command goes on where a stopped one was.

python launch/train.py --config=configs/demo.py --version=demo --set training.epochs=20
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from asd_jax.command_line import chosen_experiment, chosen_workdir, expected_errors, start
from asd_jax.config import load_config
from asd_jax.training.experiment import train

_CONFIG = flags.DEFINE_string("config", None, "Experiment file under configs/.", required=True)


def main(argv: Sequence[str]) -> None:
    """Trains and says where the models are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with expected_errors():
        start()
        experiment = chosen_experiment(load_config(Path(_CONFIG.value)))
        workdir = chosen_workdir(experiment)
        for folder in train(experiment, workdir):
            print(f"trained {folder}")
        print(f"next: {sys.argv[0].replace('train', 'evaluate')} --workdir={workdir}")


if __name__ == "__main__":
    app.run(main)
