"""DCASE Challenge Task 2 data as a TFDS dataset, without TensorFlow.

`prepare` builds a year's dataset from the published zip archives, `load` gives its builder,
`read_index` lists its clips and `summary` counts them.
"""

from tfds_dcase.errors import ArchiveError
from tfds_dcase.index import ClipInfo, read_index
from tfds_dcase.preparation import dataset_folder, load, prepare
from tfds_dcase.summary import summary
from tfds_dcase.tfds_dcase_dataset_builder import Builder

__all__ = [
    "ArchiveError",
    "Builder",
    "ClipInfo",
    "dataset_folder",
    "load",
    "prepare",
    "read_index",
    "summary",
]
