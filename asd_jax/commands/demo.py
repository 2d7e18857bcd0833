"""A tour in this folder: simulated archives, their dataset, a trained STgram-MFN, the official table of results."""

from tfds_dcase_command.options import Given, Options

from asd_jax.commands import common

EXAMPLES = ("demo", "demo --small")


def define(options: Options) -> None:
    """The flags."""
    options.section("how much")
    options.yes(
        "small", "Two machine types, few clips and a dense autoencoder: about half a minute."
    )


def run(given: Given) -> int:
    """Runs the four commands, each as it could be typed."""
    from asd_jax.cli import PROGRAM

    for line in _SMALL if given.small else _FULL:
        name, *arguments = line.split()
        print(f"\n$ {common.command(name)} {' '.join(arguments)}", flush=True)
        status = PROGRAM.run(name, arguments)
        if status:
            return status
    return 0


_FULL = (
    "simulate --dataset=dcase2020 --output=datasets/simulated/archives",
    "prepare --dataset=dcase2020 --archives=datasets/simulated/archives --data_dir=datasets/simulated",
    "train --config=demo",
    "evaluate --version=demo",
)
_SMALL = (
    "simulate --dataset=dcase2020 --output=datasets/simulated_small/archives --machine_types=fan,valve "
    "--train_clips=40 --test_clips=10",
    "prepare --dataset=dcase2020 --archives=datasets/simulated_small/archives --data_dir=datasets/simulated_small",
    "train --config=demo_autoencoder_mahalanobis --data_dir=datasets/simulated_small --version=demo_small "
    "--set training.epochs=30",
    "evaluate --version=demo_small",
)
