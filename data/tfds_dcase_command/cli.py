"""`tfds-dcase`: the command of the dataset package."""

import sys

from tfds_dcase_command.invocation import note_program
from tfds_dcase_command.program import Entry, Program


def version() -> str:
    """Of the installed package; of a checkout without installation, `unknown`."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("tfds-dcase")
    except PackageNotFoundError:
        return "unknown"


PROGRAM = Program(
    "tfds-dcase",
    "the DCASE Challenge Task 2 data, and your own recordings, as a TFDS dataset",
    {
        "get and build": {
            "list": Entry("tfds_dcase_command.list", "list", "Years, machine types, archives"),
            "download": Entry(
                "tfds_dcase_command.download", "download --dataset=2020", "Archives from Zenodo"
            ),
            "prepare": Entry(
                "tfds_dcase_command.prepare",
                "prepare --dataset=2020 --archives=archives",
                "Build the dataset",
            ),
        },
        "use and check": {
            "where": Entry("tfds_dcase_command.where", "where --dataset=2020", "Its folder"),
            "verify": Entry(
                "tfds_dcase_command.verify", "verify --dataset=2020", "Read all of it again"
            ),
        },
    },
    version,
)


def main() -> None:
    """The console command."""
    note_program("tfds-dcase", "tfds_dcase_command")
    sys.exit(PROGRAM.main(sys.argv[1:]))
