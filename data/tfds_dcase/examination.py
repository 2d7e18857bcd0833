"""Reads a prepared dataset's records so that a damaged one does not hide those behind it."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds
from google.protobuf.message import DecodeError
from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow
from tensorflow_datasets.proto import tf_example_pb2

from tfds_dcase.index import ClipInfo, clip_info
from tfds_dcase.records import channels_of, in_parallel

# ArrayRecord raises RuntimeError for all that is wrong with a file; the others come from records
# that are whole, but were written by another program.
_DAMAGE = (RuntimeError, OSError, ValueError, LookupError, DecodeError)
_LOWEST, _HIGHEST = -32768, 32767

Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Levels:
    """Of one channel's samples, in int16 steps.

    Attributes:
        lowest: Smallest sample.
        highest: Largest sample.
        mean: Mean sample.
        at_limits: Share of the samples that are the smallest or largest int16, 0 to 1.
    """

    lowest: int
    highest: int
    mean: float
    at_limits: float


@dataclasses.dataclass(frozen=True)
class Examined:
    """A record that could be read.

    Attributes:
        clip: What it says, with the content hash of the waveform as it is now.
        stored_hash: The content hash that the record states.
        levels: Of each channel; () of a waveform without samples.
    """

    clip: ClipInfo
    stored_hash: str
    levels: tuple[Levels, ...]


@dataclasses.dataclass(frozen=True)
class Damaged:
    """Neighbouring records that cannot be read.

    Attributes:
        position: Of the first, in its split.
        count: How many.
        shard: Name of the file that holds them.
        what: Why the first cannot be read.
    """

    position: int
    count: int
    shard: str
    what: str


def examine(builder: tfds.core.DatasetBuilder, split: str) -> Iterator[Examined | Damaged]:
    """Reads each record of a split once, in threads; holds a few waveforms at a time.

    Args:
        builder: Of a prepared dataset, array_record or tfrecord.
        split: One that the builder has.

    Yields:
        What was found, in record order.
    """
    if not builder.info.splits[split].num_examples:
        return iter(())
    if builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD:
        found = _examine_array_records(builder, split)
    else:
        found = _examine_tfrecords(builder, split)
    return _joined(found)


def _examine_array_records(
    builder: tfds.core.DatasetBuilder, split: str
) -> Iterator[Examined | Damaged]:
    source = builder.as_data_source(split).data_source
    shards = [shard for shard, length in _shards(builder, split) for _ in range(length)]

    def examined(position: int) -> Examined | Damaged:
        try:
            record = _decoded(source[position], channels_of(builder))
            return _examined(builder, split, position, record)
        except _DAMAGE as error:
            return Damaged(position, 1, shards[position], _reason(error))

    return in_parallel(examined, range(len(shards)))


def _examine_tfrecords(
    builder: tfds.core.DatasetBuilder, split: str
) -> Iterator[Examined | Damaged]:
    def examined(read: tuple[int, str, Record] | Damaged) -> Examined | Damaged:
        if isinstance(read, Damaged):
            return read
        position, shard, record = read
        try:
            return _examined(builder, split, position, record)
        except _DAMAGE as error:
            return Damaged(position, 1, shard, _reason(error))

    return in_parallel(examined, _tfrecords(builder, split))


def _tfrecords(
    builder: tfds.core.DatasetBuilder, split: str
) -> Iterator[tuple[int, str, Record] | Damaged]:
    """Records by position and shard; behind a damaged one TensorFlow reads no further in a shard."""
    begin = 0
    for number, (shard, length) in enumerate(_shards(builder, split)):
        position, end = begin, begin + length
        only = tfds.core.ReadInstruction(split, from_=number, to=number + 1, unit="shard")
        try:
            for record in tfds.as_numpy(builder.as_dataset(split=only)):
                yield position, shard, record
                position += 1
        except (tensorflow.errors.OpError, *_DAMAGE) as error:
            yield Damaged(position, end - position, shard, _reason(error))
        begin = end


def _shards(builder: tfds.core.DatasetBuilder, split: str) -> Iterable[tuple[str, int]]:
    info = builder.info.splits[split]
    return zip(sorted(info.filenames), info.shard_lengths, strict=True)


def _decoded(record: bytes, channels: int) -> Record:
    """A record as TFDS decodes it, in a third of the time."""
    features = tf_example_pb2.Example.FromString(record).features.feature
    values: dict[str, Any] = {
        name: (feature.bytes_list.value or feature.int64_list.value)[0]
        for name, feature in features.items()
    }
    samples = np.frombuffer(values["waveform"], "<i2")
    return values | {"waveform": samples if channels == 1 else samples.reshape(-1, channels)}


def _examined(
    builder: tfds.core.DatasetBuilder, split: str, position: int, record: Record
) -> Examined:
    waveform = record["waveform"]
    channels = waveform.reshape(len(waveform), -1).T if len(waveform) else ()
    clip = clip_info(builder, split, position, record)
    return Examined(clip, record["content_hash"].decode(), tuple(map(_levels, channels)))


def _levels(samples: npt.NDArray[np.int16]) -> Levels:
    lowest, highest = int(samples.min()), int(samples.max())
    at_limits = 0.0
    if lowest == _LOWEST or highest == _HIGHEST:
        at_limits = float(np.mean((samples == _LOWEST) | (samples == _HIGHEST)))
    return Levels(lowest, highest, float(samples.mean()), at_limits)


def _reason(error: Exception) -> str:
    # Some libraries add a stack trace behind the first line.
    first = str(error).strip().split("\n", 1)[0]
    return f"cannot be read ({first or type(error).__name__})"


def _joined(found: Iterable[Examined | Damaged]) -> Iterator[Examined | Damaged]:
    """Makes one of neighbours in one shard: a lost file would be a fault a record."""

    def together(entry: tuple[int, Examined | Damaged]) -> Any:
        number, item = entry
        return item.shard if isinstance(item, Damaged) else number

    for _, group in itertools.groupby(enumerate(found), together):
        first = next(group)[1]
        if isinstance(first, Damaged):
            # Neighbours are counted one by one: no list of a whole shard's errors is kept.
            count = first.count + sum(item.count for _, item in group if isinstance(item, Damaged))
            yield dataclasses.replace(first, count=count)
        else:
            yield first
