"""DCASE Challenge Task 2 data as a TFDS dataset, without TensorFlow.

`download` fetches a year's published zip archives, `prepare` builds the dataset from them, `load`
gives its builder, `read_index` lists its clips, `summary` counts them and `verify` reads all again.
`official_sections` and `evaluation_truth` tell what a year's challenge asked to be scored.
"""

from tfds_dcase.challenge import evaluation_truth, official_sections
from tfds_dcase.checksums import VerificationReport, verify_archives
from tfds_dcase.download import DownloadReport, download
from tfds_dcase.errors import ArchiveError
from tfds_dcase.index import ClipInfo, read_index
from tfds_dcase.labels import Truth
from tfds_dcase.preparation import dataset_folder, load, prepare
from tfds_dcase.records import channels_of, named_waveform_of, waveform_of
from tfds_dcase.summary import summary
from tfds_dcase.tfds_dcase_dataset_builder import Builder, DcaseFolder, FolderConfig
from tfds_dcase.verification import Verification, verify
from tfds_dcase.waveforms import content_hash

__all__ = [
    "ArchiveError",
    "Builder",
    "ClipInfo",
    "DcaseFolder",
    "DownloadReport",
    "FolderConfig",
    "Truth",
    "Verification",
    "VerificationReport",
    "channels_of",
    "content_hash",
    "dataset_folder",
    "download",
    "evaluation_truth",
    "load",
    "named_waveform_of",
    "official_sections",
    "prepare",
    "read_index",
    "summary",
    "verify",
    "verify_archives",
    "waveform_of",
]
