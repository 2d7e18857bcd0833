"""Trains a recipe; the same command goes on where a stopped one was."""

from tfds_dcase_command.options import Given, Options

from asd_jax.commands import common

EXAMPLES = (
    "train --config=demo --data_dir=datasets/simulated",
    "train --config=stgram_mfn_2020 --version=long --set training.epochs=500 --seeds=3",
    "train --config=list",
)


def define(options: Options) -> None:
    """The flags."""
    options.section("what is trained")
    common.define_recipe(
        options, "Recipe, by its name or the path of its file; list shows all.", required=True
    )
    options.whole(
        "seeds",
        1,
        "Train several runs that differ in their seed alone: runs/NAME, runs/NAME_seed1, ...",
        1,
    )
    options.yes(
        "extend",
        "Go on past a finished run's epochs: with --set training.epochs=N and all else as it was.",
    )
    common.define_all(options)


def run(given: Given) -> None:
    """Trains and says where the models are."""
    if given.config == "list":
        from asd_jax.commands.recipes import print_recipes

        print_recipes()
        return
    common.start(given)
    from asd_jax.config import override
    from asd_jax.training.experiment import train

    experiment = common.chosen_experiment(common.load_recipe(given.config), given)
    workdir = common.chosen_workdir(given, experiment)
    folders = []
    for i in range(given.seeds):
        seed = experiment.training.seed + i
        folder = workdir.with_name(f"{workdir.name}_seed{i}") if i else workdir
        for model in train(override(experiment, [f"training.seed={seed}"]), folder, given.extend):
            print(f"trained {model}")
        folders.append(folder)
    for folder in folders:
        print(common.next_command("evaluate", f"--workdir={folder}"))
