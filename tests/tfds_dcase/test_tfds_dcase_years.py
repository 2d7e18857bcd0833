"""What single years bring with them: ground truth, second releases, two channels."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import tfds_dcase
from tfds_dcase.errors import Faults
from tfds_dcase.labels import read_ground_truth
from tfds_dcase.layouts import LAYOUTS

EVALUATION_CLIPS = {
    "dcase2020": 7103,
    "dcase2021": 8635,
    "dcase2022": 4200,
    "dcase2023": 1400,
    "dcase2024": 1800,
    "dcase2025": 1600,
    "dcase2026": 1000,
}
CLIPS_2026 = [
    "ToyCar/train/section_00_source_train_normal_0000_car_A1.wav",
    "ToyCar/train/section_00_target_train_normal_0001_noAttribute.wav",
    "ToyCar/test/section_00_target_test_anomaly_0000_car_B1.wav",
]


@pytest.mark.parametrize(("config", "clips"), EVALUATION_CLIPS.items())
def test_every_evaluation_clip_has_a_label(config: str, clips: int) -> None:
    faults = Faults()
    truths = read_ground_truth(config, None, faults).truths
    assert not faults.lines
    assert len(truths) == clips
    assert {truth.label for truth in truths.values()} == {"normal", "anomaly"}
    assert "unknown" not in {truth.domain for truth in truths.values()}
    evaluated = {
        name for kind in LAYOUTS[config].kinds if kind.labels_hidden for name in kind.machine_types
    }
    assert {machine_type for machine_type, _ in truths} == evaluated


def test_the_packaged_tables_are_the_checked_ones(shared: Path) -> None:
    tables = sorted((shared / "ground_truth").glob("*20??*.csv"))
    if not tables:
        pytest.skip(f"no tables in {shared}/ground_truth")
    for path in tables:
        year = next(config for config in LAYOUTS if config.removeprefix("dcase") in path.name)
        truths = read_ground_truth(year, None, Faults()).truths
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(truths)
        for row in rows:
            truth = truths[row["machine_type"], row["file_name"]]
            assert (truth.domain, truth.label) == (row["domain"], row["label"])


def stereo(name: str) -> npt.NDArray[np.int16]:
    return np.random.default_rng(sum(name.encode())).integers(-900, 900, (320, 2), np.int16)


def pack(path: Path, clips: list[str], channels: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in clips:
            wav = io.BytesIO()
            soundfile.write(wav, stereo(name)[:, :channels], 16000, format="WAV")
            archive.writestr(name, wav.getvalue())


def test_2026_keeps_both_channels(tmp_path: Path) -> None:
    pack(tmp_path / "dev_ToyCar_r2.zip", CLIPS_2026)
    built = tfds_dcase.prepare(2026, tmp_path, tmp_path)
    builder = tfds_dcase.load(2026, tmp_path)
    assert builder.info.features["waveform"].shape == (None, 2)
    index = tfds_dcase.read_index(built.data_path)
    assert sorted(clip.clip_id for clip in index) == sorted(
        f"dcase2026/dev/{n}" for n in CLIPS_2026
    )
    for clip in index:
        record = builder.as_data_source(clip.split)[clip.position]
        expected = stereo(clip.clip_id.removeprefix("dcase2026/dev/"))
        np.testing.assert_array_equal(record["waveform"], expected)
        assert clip.samples == 320
        assert record["content_hash"].decode() == clip.content_hash


def test_a_mono_clip_is_none_of_2026_and_a_stereo_one_none_of_2025(tmp_path: Path) -> None:
    pack(tmp_path / "mono" / "dev_ToyCar_r2.zip", CLIPS_2026, channels=1)
    with pytest.raises(
        tfds_dcase.ArchiveError, match=r"has 1 channels, not 2\. Convert .* 2-channel"
    ):
        tfds_dcase.prepare(2026, tmp_path / "mono", tmp_path)
    pack(tmp_path / "stereo" / "dev_ToyCar.zip", CLIPS_2026)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"has 2 channels, not 1\. Convert .* mono"):
        tfds_dcase.prepare(2025, tmp_path / "stereo", tmp_path)


def test_a_replaced_release_is_told_and_passed_over_beside_the_second(tmp_path: Path) -> None:
    train = ["3DPrinter/train/section_00_source_train_normal_0000_noAttribute.wav"]
    pack(tmp_path / "eval_data_3DPrinter_train.zip", train, channels=1)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"was replaced\. Download .*_train_r2\.zip"):
        tfds_dcase.prepare(2024, tmp_path, tmp_path)
    pack(
        tmp_path / "eval_data_3DPrinter_train_r2.zip",
        [train[0], train[0].replace("0000", "0001")],
        1,
    )
    built = tfds_dcase.prepare(2024, tmp_path, tmp_path)
    assert len(tfds_dcase.read_index(built.data_path)) == 2


def test_archives_of_several_years_may_share_a_folder(tmp_path: Path) -> None:
    """2026 renames ToyCar's archive: the other years' name beside it is no fault, and neither is the reverse."""
    pack(tmp_path / "dev_ToyCar_r2.zip", CLIPS_2026)
    pack(tmp_path / "dev_ToyCar.zip", CLIPS_2026, channels=1)
    for year, shape in ((2026, (320, 2)), (2025, (320,))):
        tfds_dcase.prepare(year, tmp_path, tmp_path)
        record = tfds_dcase.load(year, tmp_path).as_data_source("dev_train_ToyCar")[0]
        assert record["waveform"].shape == shape
