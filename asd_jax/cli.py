"""`asd`: one command for all that this project does."""

import sys
from collections.abc import Sequence

from tfds_dcase_command.invocation import note_launcher, note_program
from tfds_dcase_command.program import Entry, Program

from asd_jax.version import __version__

LAUNCHERS = {
    "simulate": "simulate.py",
    "prepare": "prepare.py",
    "train": "train.py",
    "evaluate": "evaluate.py",
    "score": "score.py",
    "report": "report.py",
    "compare": "compare.py",
    "metrics": "metrics.py",
    "import-weights": "import_weights.py",
    "inspect": "inspect_data.py",
    "series": "series.py",
}
"""Files of `launch/` by command."""


def _key_of(flag: str) -> str | None:
    """The setting that an unknown flag means by its last part, such as `training.epochs`."""
    from asd_jax.config import Experiment, keys_named
    from asd_jax.detectors.stgram_mfn import STgramMFNConfig

    return keys_named(Experiment("any", STgramMFNConfig()), {"lr": "learning_rate"}.get(flag, flag))


PROGRAM = Program(
    "asd",
    "anomalous sound detection on the DCASE Task 2 data and on your own machines",
    {
        "look around": {
            "demo": Entry("asd_jax.commands.demo", "demo", "The whole way in this folder"),
            "recipes": Entry("asd_jax.commands.recipes", "recipes", "What can be trained"),
            "runs": Entry("asd_jax.commands.runs", "runs", "What was trained, and how good it is"),
        },
        "get data": {
            "simulate": Entry(
                "asd_jax.commands.simulate",
                "simulate --dataset=2020",
                "Archives of simulated machines",
            ),
            "prepare": Entry(
                "tfds_dcase_command.prepare",
                "prepare --dataset=2020 --archives=DIR",
                "Archives or your own wavs to a dataset",
            ),
            "inspect": Entry(
                "asd_jax.commands.inspect", "inspect --dataset=2020", "Clips, a batch, throughput"
            ),
        },
        "train and judge": {
            "train": Entry(
                "asd_jax.commands.train", "train --config=demo", "A recipe, or go on with it"
            ),
            "import-weights": Entry(
                "asd_jax.commands.import_weights",
                "import-weights --detector=...",
                "Published weights to a run",
            ),
            "evaluate": Entry(
                "asd_jax.commands.evaluate", "evaluate --version=demo", "The year's official table"
            ),
            "report": Entry(
                "asd_jax.commands.report", "report --version=demo", "One page about a run"
            ),
            "compare": Entry(
                "asd_jax.commands.compare", "compare runs/a runs/b", "Systems with intervals"
            ),
            "metrics": Entry(
                "asd_jax.commands.metrics", "metrics --scores=DIR", "Any system's score files"
            ),
            "submit": Entry(
                "asd_jax.commands.submit",
                "submit --label=Ito_HIT_task2_1",
                "A challenge submission",
            ),
        },
        "use": {
            "score": Entry(
                "asd_jax.commands.score",
                "score --version=demo new.wav",
                "Normal or anomaly, per file",
            ),
            "series": Entry(
                "asd_jax.commands.series", "series --train=A --test=B", "Plain time series"
            ),
            "completion": Entry(
                "asd_jax.commands.completion", "completion bash", "The Tab key for bash and zsh"
            ),
        },
    },
    lambda: __version__,
    _key_of,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console command; it ends the program."""
    note_program("asd", "asd_jax")
    sys.exit(PROGRAM.main(sys.argv[1:] if arguments is None else arguments))


def launch(name: str) -> None:
    """What a file of `launch/` runs: one command, whose messages name the files beside it."""
    note_launcher(LAUNCHERS)
    sys.exit(PROGRAM.run(name, sys.argv[1:]))
