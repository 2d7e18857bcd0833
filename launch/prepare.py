"""Prepares a year's dataset from its published zip archives.

python launch/prepare.py --dataset=2020 --archives=~/dcase2020
"""

import sys
from collections.abc import Sequence

import tfds_dcase
from absl import app, flags, logging

_DATASET = flags.DEFINE_string("dataset", "dcase2020", "The year: dcase2020 or 2020.")
_ARCHIVES = flags.DEFINE_string(
    "archives",
    None,
    "Folder with the zip archives, or with a folder dcase2020 that holds them.",
    required=True,
)
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


def main(argv: Sequence[str]) -> None:
    """Prepares the dataset and prints its table of clips."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    if not flags.FLAGS["verbosity"].present:
        # TFDS logs every split, which tears the progress bar.
        logging.set_verbosity(logging.WARNING)
    try:
        builder = tfds_dcase.prepare(
            _DATASET.value,
            _ARCHIVES.value,
            _DATA_DIR.value,
            machine_types=_MACHINE_TYPES.value,
            file_format=_FILE_FORMAT.value,
            rebuild=_REBUILD.value,
            progress=True,
        )
    except tfds_dcase.ArchiveError as error:
        sys.exit(str(error))
    print(f"\n{builder.data_path}\n\n{tfds_dcase.summary(builder.data_path)}")


if __name__ == "__main__":
    app.run(main)
