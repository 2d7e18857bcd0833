"""Fetches a year's published zip archives from Zenodo; run again, it goes on where it stopped."""

from tfds_dcase_command import prepare
from tfds_dcase_command.invocation import command
from tfds_dcase_command.options import Given, Options

EXAMPLES = ("download --dataset=2020 --archives=archives --machine_types=fan --stages=dev",)


def define(options: Options) -> None:
    """The flags."""
    options.section("what is fetched")
    options.text("dataset", None, "The year, 2020 to 2026.", "YEAR", required=True)
    options.text("archives", "archives", "Folder where the archives are put.", "FOLDER")
    options.listed("machine_types", [], "Fetch these only.", "fan,pump")
    prepare.define_download(options)


def run(given: Given) -> None:
    """Downloads and says what came."""
    prepare.quiet(given)
    prepare.fetch(given, given.archives)
    print(
        f"next: {command('prepare', 'tfds-dcase')} --dataset={given.dataset} --archives={given.archives}"
    )
