"""Checks a challenge submission and packs it: names, counts, decisions, and the form that describes the system."""

from tfds_dcase_command.options import Given, Options, UsageError
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

EXAMPLES = (
    "submit --version=mine --label=Ito_HIT_task2_1",
    "submit --scores=their/scores --dataset=2025 --label=Ito_HIT_task2_1 --meta=filled.meta.yaml",
)


def define(options: Options) -> None:
    """The flags."""
    options.section("the submission")
    options.text(
        "label", None, "Of the system: Surname_AFFILIATION_task2_N.", "LABEL", required=True
    )
    options.text(
        "meta", None, "The filled form. Default: one is written, with places to fill.", "FILE"
    )
    options.text("output", None, "Zip file to write. Default: LABEL.zip.", "FILE.zip")
    options.section("the scores")
    options.text(
        "scores",
        None,
        "Folder of score files. Default: the run's results of the evaluation data.",
        "FOLDER",
    )
    options.text("dataset", None, "The year. Default: the run's.", "YEAR")
    common.define_run(options)


def run(given: Given) -> None:
    """Packs and lists what is in it."""
    common.start(given)
    from asd_jax.evaluation.submission import pack_submission

    dataset = common.dataset_name(given.dataset)
    if given.scores:
        scores = user_path(given.scores)
        if not dataset:
            raise UsageError("--scores needs --dataset=YEAR")
    else:
        from asd_jax.training.experiment import load_experiment

        workdir = common.chosen_workdir(given)
        dataset = dataset or load_experiment(workdir).data.dataset
        scores = workdir / "results" / "evaluation"
        if not scores.is_dir():
            raise FileNotFoundError(
                f"{scores} is not there: run {common.command('evaluate')} --workdir={workdir} --mode=evaluation first"
            )
    output = user_path(given.output or f"{given.label}.zip")
    packed = pack_submission(
        scores, dataset, given.label, output, user_path(given.meta) if given.meta else None
    )
    for name in packed.files:
        print(name)
    print(f"\n{packed.path}: {packed.clips} clips, all machine types and sections of {dataset}")
    for remark in packed.remarks:
        print(f"note: {remark}")
