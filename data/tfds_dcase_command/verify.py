"""Reads a prepared dataset again; the exit status is 1 where it is not what was built."""

from tfds_dcase_command import prepare
from tfds_dcase_command.options import Given, Options

EXAMPLES = ("verify --dataset=2020 --data_dir=datasets",)


def define(options: Options) -> None:
    """The flags."""
    options.section("the dataset")
    options.text("dataset", "dcase2020", "The year, 2020 to 2026; or folder.", "YEAR")
    options.text("data_dir", "datasets", "Folder of prepared datasets.", "FOLDER")


def run(given: Given) -> int:
    """Verifies and prints what was found."""
    prepare.quiet(given)
    return prepare.verify(given)
