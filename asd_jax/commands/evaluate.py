"""Scores the test clips with a trained run and prints the year's official table."""

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

EXAMPLES = ("evaluate --version=demo", "evaluate --version=demo --set evaluation.score=knn")
PROTOCOLS = ("honest", "oracle")


def define(options: Options) -> None:
    """The flags."""
    options.section("what is evaluated")
    options.choice(
        "protocol",
        "honest",
        PROTOCOLS,
        "honest: last or validated checkpoint, fixed score, thresholds from training normals. oracle: all three chosen "
        "by test labels, to compare with papers that do so; its tables and files say so.",
    )
    options.text(
        "output",
        None,
        "Folder for the results, in place of results/MODE in the run, which then may be read-only.",
        "FOLDER",
    )
    common.define_all(options)


def run(given: Given) -> None:
    """Evaluates, prints the table and says where the files are."""
    workdir, experiment = common.trained_run(given)
    from asd_jax.evaluation.evaluate import evaluate

    output = user_path(given.output) if given.output else None
    results = evaluate(experiment, workdir, given.protocol, output)
    if results is not None:
        print(f"\n{results.text}\n\nscores, decisions, tables and plots: {results.directory}")
        print(common.next_command("report", f"--workdir={workdir}"))
