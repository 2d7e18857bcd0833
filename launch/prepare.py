"""Prepares a year's dataset from its published zip archives, or a dataset of your own recordings.

python launch/prepare.py --dataset=2020 --archives=~/dcase2020
python launch/prepare.py --dataset=2020 --download --machine_types=fan
python launch/prepare.py --dataset=folder --archives=~/my_machines
python launch/prepare.py --dataset=2020 --verify
"""

from asd_jax import terminal

# isort: split
import logging as python_logging
import sys
from collections.abc import Sequence

import tfds_dcase
from absl import app, flags, logging
from tfds_dcase.download import download
from tfds_dcase.folder import FOLDER
from tfds_dcase.recordings import CHANNELS

_DATASET = flags.DEFINE_string(
    "dataset", "dcase2020", "The year, dcase2020 or 2020; or folder for your own recordings."
)
_ARCHIVES = flags.DEFINE_string(
    "archives",
    None,
    "Folder with the zip archives, or with a folder dcase2020 that holds them; with --download "
    "where they are put, archives by default. Of your own recordings: the folder that holds a "
    "folder for each machine type.",
)
_TABLE = flags.DEFINE_string(
    "table", None, "Own recordings: CSV file that lists them, in place of the names of folders."
)
_CHANNEL = flags.DEFINE_enum(
    "channel", "mean", CHANNELS, "Own recordings: what is heard of a file with several channels."
)
_DOWNLOAD = flags.DEFINE_bool("download", False, "Fetch what is missing from Zenodo first.")
_CONNECTIONS = flags.DEFINE_integer(
    "connections", 4, "With --download: files fetched at the same time.", lower_bound=1
)
_STAGES = flags.DEFINE_list("stages", ["dev", "eval"], "With --download: fetch dev, eval or both.")
_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "Folder of prepared datasets.")
_MACHINE_TYPES = flags.DEFINE_list(
    "machine_types", [], "Build only these, each of them required; empty builds what is there."
)
_FILE_FORMAT = flags.DEFINE_enum(
    "file_format",
    "array_record",
    ["array_record", "tfrecord"],
    "Record format; tfrecord needs TensorFlow.",
)
_REBUILD = flags.DEFINE_bool(
    "rebuild", False, "Build again; the old dataset stays until the new one is complete."
)
_VERIFY = flags.DEFINE_bool(
    "verify", False, "Read the prepared dataset again; exit with 1 where it is not what was built."
)

flags.register_multi_flags_validator(
    ["archives", "download", "verify"],
    lambda given: given["archives"] is not None or given["download"] or given["verify"],
    message="Flag --archives must have a value, or --download or --verify be given.",
)


def fetch(archives: str) -> None:
    """Downloads the archives and prints what could not be checked."""
    # A line for each retry would tear the progress bar; what fails in the end is reported.
    python_logging.getLogger("urllib3").setLevel(python_logging.ERROR)
    report = download(
        _DATASET.value,
        archives,
        machine_types=_MACHINE_TYPES.value,
        stages=_STAGES.value,
        connections=_CONNECTIONS.value,
        progress=True,
    )
    print("\n".join([f"{len(report.fetched)} archives came to {report.folder}", *report.notes]))


def verify() -> None:
    """Prints what is in the prepared dataset, its faults and remarks."""
    verified = tfds_dcase.verify(_DATASET.value, _DATA_DIR.value, progress=True)
    print(f"\n{verified}")
    if verified.faults:
        sys.exit(1)


def main(argv: Sequence[str]) -> None:
    """Prepares the dataset and prints its table of clips."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    if _DOWNLOAD.value and _DATASET.value == FOLDER:
        raise app.UsageError("--download fetches a year: name your own recordings by --archives")
    if not flags.FLAGS["verbosity"].present:
        # TFDS logs every split, which tears the progress bar.
        logging.set_verbosity(logging.WARNING)
    archives = _ARCHIVES.value or "archives"
    with terminal.expected_errors():
        if _VERIFY.value:
            return verify()
        if _DOWNLOAD.value:
            fetch(archives)
        builder = tfds_dcase.prepare(
            _DATASET.value,
            archives,
            _DATA_DIR.value,
            machine_types=_MACHINE_TYPES.value,
            file_format=_FILE_FORMAT.value,
            rebuild=_REBUILD.value,
            progress=True,
            table=_TABLE.value,
            channel=_CHANNEL.value,
        )
        print(f"\n{builder.data_path}\n\n{tfds_dcase.summary(builder.data_path)}")
        if _DATASET.value == FOLDER:
            data_dir = f" --data_dir={_DATA_DIR.value}" if _DATA_DIR.value != "datasets" else ""
            print(f"\nnext: python launch/train.py --config=configs/own_machine.py{data_dir}")


if __name__ == "__main__":
    app.run(main)
