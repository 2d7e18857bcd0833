"""Prepares a year's dataset from its published zip archives, or a dataset of your own recordings."""

import logging as python_logging

from absl import logging

from tfds_dcase_command.invocation import command
from tfds_dcase_command.options import Given, Options, UsageError

EXAMPLES = (
    "prepare --dataset=2020 --archives=~/dcase2020",
    "prepare --dataset=2020 --download --machine_types=fan",
    "prepare --dataset=folder --archives=~/my_machines",
    "prepare --dataset=2020 --verify",
)
# As tfds_dcase has them.
CHANNELS = ("mean", "first", "second", "all")
FILE_FORMATS = ("array_record", "tfrecord")
FOLDER = "folder"


def define(options: Options) -> None:
    """The flags."""
    options.section("the dataset")
    options.text(
        "dataset", "dcase2020", "The year, 2020 to 2026; or folder for your own recordings.", "YEAR"
    )
    options.text(
        "archives",
        None,
        "Folder with the zip archives, or with a folder dcase2020 that holds them; with --download where they are put, "
        "archives by default. Of your own recordings: the folder that holds a folder for each machine type.",
        "FOLDER",
    )
    options.text("data_dir", "datasets", "Folder of prepared datasets.", "FOLDER")
    options.listed(
        "machine_types",
        [],
        "Build only these, each of them required. Default: what is there.",
        "fan,pump",
    )
    options.choice(
        "file_format", "array_record", FILE_FORMATS, "Record format; tfrecord needs TensorFlow."
    )
    options.yes("rebuild", "Build again; the old dataset stays until the new one is complete.")
    options.yes(
        "verify",
        "Read the prepared dataset again; the exit status is 1 where it is not what was built.",
    )
    options.section("your own recordings")
    options.text(
        "table", None, "CSV file that lists them, in place of the names of folders.", "FILE"
    )
    options.choice("channel", "mean", CHANNELS, "What is used of a file with several channels.")
    options.section("the download")
    options.yes("download", "Fetch what is missing from Zenodo first.")
    define_download(options)


def define_download(options: Options) -> None:
    """Flags of a download."""
    options.whole("connections", 4, "Files fetched at the same time.", least=1)
    options.listed("stages", ["dev", "eval"], "Fetch dev, eval or both.")


def run(given: Given) -> int | None:
    """Prepares the dataset and prints its table of clips."""
    if given.archives is None and not given.download and not given.verify:
        raise UsageError("give --archives=FOLDER, or --download, or --verify")
    if given.download and given.dataset == FOLDER:
        raise UsageError("--download fetches a year: name your own recordings by --archives")
    quiet(given)
    import tfds_dcase

    if given.verify:
        return verify(given)
    archives = given.archives or "archives"
    if given.download:
        fetch(given, archives)
    builder = tfds_dcase.prepare(
        given.dataset,
        archives,
        given.data_dir,
        machine_types=given.machine_types,
        file_format=given.file_format,
        rebuild=given.rebuild,
        progress=True,
        table=given.table,
        channel=given.channel,
    )
    print(f"\n{builder.data_path}\n\n{tfds_dcase.summary(builder.data_path)}")
    recipe = "own_machine" if given.dataset == FOLDER else "list"
    data_dir = f" --data_dir={given.data_dir}" if given.data_dir != "datasets" else ""
    print(f"\nnext: {command('train')} --config={recipe}{data_dir if recipe != 'list' else ''}")
    return None


def quiet(given: Given) -> None:
    """Keeps TFDS from logging every split, which tears the progress bar."""
    if not given.has("verbosity"):
        logging.set_verbosity(logging.WARNING)


def fetch(given: Given, archives: str) -> None:
    """Downloads the archives and prints what could not be checked."""
    from tfds_dcase.download import download

    # A line for each retry would tear the progress bar; what fails in the end is reported.
    python_logging.getLogger("urllib3").setLevel(python_logging.ERROR)
    report = download(
        given.dataset,
        archives,
        machine_types=given.machine_types,
        stages=given.stages,
        connections=given.connections,
        progress=True,
    )
    print("\n".join([f"{len(report.fetched)} archives came to {report.folder}", *report.notes]))


def verify(given: Given) -> int:
    """Prints what is in the prepared dataset, its faults and remarks."""
    import tfds_dcase

    verified = tfds_dcase.verify(given.dataset, given.data_dir, progress=True)
    print(f"\n{verified}")
    return 1 if verified.faults else 0
