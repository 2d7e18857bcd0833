"""Prepares a dataset of a year or of own recordings, or finds the prepared one."""

import contextlib
import errno
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from etils import epath
from tfds_dcase_command.invocation import command

from tfds_dcase.errors import ArchiveError
from tfds_dcase.features_file import opened
from tfds_dcase.folder import FOLDER, OwnRecordings
from tfds_dcase.index import INDEX, require_index, write_index
from tfds_dcase.layouts import LAYOUTS
from tfds_dcase.locks import locked
from tfds_dcase.owners import numbers_for_names
from tfds_dcase.progress import Progress, reporting
from tfds_dcase.provenance import read_provenance
from tfds_dcase.sources import Source, config_of, source_of
from tfds_dcase.stored_files import (
    count_of_files,
    is_recorded,
    require_digests,
    require_files,
    write_stored_files,
)
from tfds_dcase.tfds_dcase_dataset_builder import Builder, DcaseFolder, FolderConfig

# Full, a quota reached, a file too large for the file system, broken, or mounted read-only.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
# Where own recordings were prepared before they had a builder of their own.
_EARLIER_FOLDER = "tfds_dcase/folder/1.1.0"
FILE_FORMATS = ("array_record", "tfrecord")


def prepare(
    dataset: str | int,
    archives: Path | str,
    data_dir: Path | str = "datasets",
    machine_types: Sequence[str] = (),
    file_format: str = "array_record",
    rebuild: bool = False,
    progress: Progress = False,
    table: Path | str | None = None,
    channel: str = "mean",
) -> tfds.core.DatasetBuilder:
    """Builds a dataset from archives or own recordings; returns at once when it is already there.

    Args:
        dataset: The year, `dcase2020` or `2020`; or `folder` for own recordings.
        archives: Folder with the zip archives, or with a folder `dcase2020` that holds them; of own
            recordings the folder that holds a folder for each machine type.
        data_dir: Where prepared datasets lie.
        machine_types: Build these and require each of them; () builds what is there.
        file_format: `array_record`, or `tfrecord` where TensorFlow is installed.
        rebuild: Build again; the old dataset stays until the new one is complete.
        progress: True for a bar, or a function (see `progress.Progress`).
        table: Own recordings only: CSV file that lists them, see the README of tfds_dcase.
        channel: Own recordings only: the `mean` of a file's channels, `first`, `second` or `all`.

    Returns:
        A builder that reads the dataset.

    Raises:
        ArchiveError: Lists all faults found in the files, or how they differ from those that the
            dataset was built from.
    """
    own_table = Path(table).expanduser() if table else None
    source = source_of(dataset, Path(archives).expanduser(), machine_types, own_table, channel)
    _check_file_format(file_format)
    if "://" in str(data_dir):
        raise ArchiveError(
            f"{data_dir} cannot be written to in one step, as a whole dataset must be. Prepare it on "
            "a local disk and copy the folder; it is read from there as it is"
        )
    data_dir = Path(data_dir).expanduser()
    folder = Path(dataset_folder(source.config, data_dir))
    target = Path(_version_folder(source.config, data_dir))
    lock = data_dir / f".{source.config}.lock"
    finished_elsewhere = folder.is_dir() and not rebuild and not os.access(data_dir, os.W_OK)
    with (
        contextlib.nullcontext()
        if finished_elsewhere
        else locked(lock, f"preparing {source.config} in {data_dir}")
    ):
        if not finished_elsewhere:
            _clear_staging(source.config, data_dir, folder)
        if folder.is_dir() and not rebuild:
            builder = _finish(folder, progress)
            _check_unchanged(source, builder, folder, file_format)
            return builder
        if isinstance(source, OwnRecordings) and progress is True:
            print("\n".join(source.overview()), file=sys.stderr)
        staging = _staging(source.config, data_dir)
        try:
            with _telling_of_disk(data_dir), numbers_for_names():
                _build(source, staging, file_format, progress)
                _swap(Path(_version_folder(source.config, staging)), target, staging)
            if folder != target and folder.is_dir():
                shutil.rmtree(folder)
        finally:
            _clear_staging(source.config, data_dir, target)
    return opened(target)


def load(dataset: str | int, data_dir: epath.PathLike = "datasets") -> tfds.core.DatasetBuilder:
    """The builder of a prepared dataset, for `builder.as_data_source(split)`.

    Args:
        dataset: The year, `dcase2020` or `2020`, or `folder`.
        data_dir: Where prepared datasets lie, on a disk or in shared storage (`gs://...`).

    Raises:
        ArchiveError: The dataset is not prepared or not finished.
    """
    config = config_of(dataset)
    folder = dataset_folder(config, data_dir)
    if is_there(folder):
        builder = opened(folder)
        require_files(builder, folder)
        if (folder / INDEX).is_file():
            require_index(builder, folder, read_provenance(folder).splits)
            return builder
    content = "your recordings" if config == FOLDER else "the zip archives"
    raise ArchiveError(
        f"{config} is not prepared in {data_dir}. Run: {command('prepare', 'tfds-dcase')} "
        f"--dataset={config} --archives=<folder of {content}> --data_dir={data_dir}"
    )


def dataset_folder(dataset: str | int, data_dir: epath.PathLike) -> epath.Path:
    """The version directory of a dataset; of own recordings that of an earlier version, where they are only there."""
    config = config_of(dataset)
    folder = _version_folder(config, data_dir)
    earlier = epath.Path(data_dir).expanduser() / _EARLIER_FOLDER
    if config == FOLDER and not is_there(folder) and is_there(earlier):
        return earlier
    return folder


def _version_folder(config: str, data_dir: epath.PathLike) -> epath.Path:
    """Where a dataset is built."""
    if config == FOLDER:
        builder, version = DcaseFolder.name, str(DcaseFolder.VERSION)
    else:
        builder, version = Builder.name, LAYOUTS[config].version
    return epath.Path(data_dir).expanduser() / builder / config / version


def is_there(folder: epath.Path) -> bool:
    """Whether a folder exists, on a disk or in a bucket.

    Raises:
        ArchiveError: the package that reads such buckets is not installed.
    """
    try:
        return bool(folder.is_dir())
    except ImportError as error:
        raise ArchiveError(
            f"{folder} cannot be reached: {error}. Buckets need a package of their own: pip install gcsfs for gs://, "
            "s3fs for s3://"
        ) from error


def _check_file_format(file_format: str) -> None:
    if file_format not in FILE_FORMATS:
        raise ArchiveError(f"file format {file_format!r}: choose {' or '.join(FILE_FORMATS)}")
    if file_format == "tfrecord" and importlib.util.find_spec("tensorflow") is None:
        raise ArchiveError(
            "file format tfrecord is written by TensorFlow, which is not installed. Install "
            "tensorflow-cpu or take array_record"
        )


@contextlib.contextmanager
def _telling_of_disk(data_dir: Path) -> Iterator[None]:
    try:
        yield
    # ArrayRecord raises RuntimeError with the system's words in it.
    except (OSError, RuntimeError) as error:
        if any(os.strerror(number) in str(error) for number in _DISK):
            raise ArchiveError(
                f"the disk of {data_dir} cannot take the dataset ({error}). Make room, or choose "
                "another data_dir; an earlier dataset is as it was"
            ) from error
        raise


def _staging(config: str, data_dir: Path) -> Path:
    return data_dir / f".{config}.unfinished"


def _clear_staging(config: str, data_dir: Path, folder: Path) -> None:
    """Clears what a build left, first putting back a dataset that it was about to replace."""
    staging = _staging(config, data_dir)
    replaced = staging / "replaced"
    if replaced.is_dir() and not folder.is_dir():
        replaced.rename(folder)
    if staging.is_dir():
        shutil.rmtree(staging)


def _build(source: Source, staging: Path, file_format: str, progress: Progress) -> None:
    kind: type[Builder] = Builder
    config: str | FolderConfig = source.config
    if source.config == FOLDER:
        kind = DcaseFolder
        config = FolderConfig(name=FOLDER, version=str(DcaseFolder.VERSION))
    builder = kind(
        config=config,
        data_dir=staging,
        source=source,
        progress=progress,
        file_format=file_format,
    )
    builder.download_and_prepare(
        download_dir=staging / "downloads",
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
    )
    write_stored_files(Path(builder.data_dir))


def _swap(new: Path, folder: Path, staging: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir():
        # Renamed, not removed: a kill before the next line leaves it to _clear_staging.
        folder.rename(staging / "replaced")
    new.rename(folder)


def _finish(folder: Path, progress: Progress) -> tfds.core.DatasetBuilder:
    """Opens a dataset and verifies it: its files' digests, or every record where no digests were recorded."""
    if not (folder / "dataset_info.json").is_file():
        raise ArchiveError(f"{folder} is no dataset. Remove it, or prepare it with --rebuild")
    builder = opened(folder)
    require_files(builder, folder)
    with reporting(progress, "checking", count_of_files(folder)) as on_file:
        require_digests(folder, on_file)
    splits = read_provenance(folder).splits
    there = (folder / INDEX).is_file()
    if there:
        require_index(builder, folder, splits)
    if not there or (os.access(folder, os.W_OK) and not is_recorded(folder)):
        total = sum(content.clips for content in splits.values())
        with reporting(progress, "checking", total) as on_clip:
            write_index(builder, folder, splits, on_clip)
        write_stored_files(folder)
    return builder


def _check_unchanged(
    source: Source, builder: tfds.core.DatasetBuilder, folder: Path, file_format: str
) -> None:
    built = read_provenance(folder)
    changes = []
    if builder.info.file_format.value != file_format:
        changes.append(f"it is stored as {builder.info.file_format.value}, not as {file_format}")
    there = {split.split("_", 2)[2] for split in built.splits}
    wanted = set(source.machine_types)
    if wanted and wanted != there:
        changes.append(f"it holds {', '.join(sorted(there))}, not {', '.join(sorted(wanted))}")
    changes += source.differences(built)
    if changes:
        raise ArchiveError(
            f"the dataset in {folder} is finished, but not what this call asks for: "
            f"{'; '.join(changes)}. Build it again with --rebuild (rebuild=True), which keeps the "
            "old one until the new one is complete, or choose another data_dir"
        )
