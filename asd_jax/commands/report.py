"""Writes one HTML file about a trained run: results, maps, worst clips with pictures and sound."""

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

EXAMPLES = ("report --version=demo",)


def define(options: Options) -> None:
    """The flags."""
    options.section("the report")
    options.whole(
        "examples",
        3,
        "Worst false alarms to show of each machine type, and as many misses; 0 for no examples.",
        least=0,
    )
    options.text(
        "output", None, "File to write. Default: report_MODE.html in the run.", "FILE.html"
    )
    common.define_all(options)


def run(given: Given) -> None:
    """Writes the report and says where it is."""
    workdir, experiment = common.trained_run(given)
    from asd_jax.report.write import write_report

    output = user_path(given.output) if given.output else None
    path = write_report(experiment, workdir, output, given.examples)
    print(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB)")
