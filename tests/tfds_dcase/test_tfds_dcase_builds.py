"""Generated archives of each year become records with the right audio, labels and names."""

import csv
import io
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import tensorflow_datasets as tfds
import tfds_dcase
from tfds_dcase import tfds_dcase_dataset_builder
from tfds_dcase.layouts import LAYOUTS


def waveform(name: str) -> npt.NDArray[np.int16]:
    """Noise of a length that only this clip has."""
    seed = sum(name.encode())
    return np.random.default_rng(seed).integers(-900, 900, 300 + seed % 97, np.int16)


def pack(path: Path, clips: Sequence[str], others: Mapping[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in clips:
            wav = io.BytesIO()
            soundfile.write(wav, waveform(name), 16000, subtype="PCM_16", format="WAV")
            archive.writestr(name, wav.getvalue())
        for name, text in (others or {}).items():
            archive.writestr(name, text)


def pack_2020(folder: Path) -> None:
    for kind in ("fan", "ToyCar"):
        train = [f"{kind}/train/normal_id_00_{n:08}.wav" for n in range(5)]
        test = [f"{kind}/test/{label}_id_02_00000000.wav" for label in ("normal", "anomaly")]
        harmless = {"__MACOSX/._x.wav": "", f"{kind}/.DS_Store": "", "readme.txt": "", "a/": ""}
        pack(folder / f"dev_data_{kind}.zip", train + test, harmless)
    pack(folder / "eval_data_train_fan.zip", ["fan/train/normal_id_01_00000000.wav"])
    hidden = [f"fan/test/id_01_{n:08}.wav" for n in (0, 1, 99999999)]
    pack(folder / "eval_data_test_fan.zip", hidden)


def pack_2021(folder: Path) -> None:
    names = [
        "train/section_00_source_train_normal_0000_strength_1_ambient.wav",
        "train/section_00_target_train_normal_0000.wav",
        "source_test/section_00_source_test_normal_0000.wav",
        "target_test/section_00_target_test_anomaly_0000.wav",
    ]
    pack(folder / "dev_data_fan.zip", [f"fan/{name}" for name in names])
    hidden = [f"fan/{d}_test/section_03_{d}_test_0000.wav" for d in ("source", "target")]
    pack(folder / "eval_data_fan_test.zip", hidden)


def pack_2022(folder: Path) -> None:
    names = [
        "bearing/train/section_01_source_train_normal_0000_vel_6_loc_A.wav",
        "bearing/train/section_01_target_train_normal_0003_vel_2_loc_E.wav",
        "bearing/test/section_02_target_test_anomaly_0000_noAttribute.wav",
    ]
    pack(folder / "dev_bearing.zip", names)
    train = ["ToyCar/train/section_05_source_train_normal_0000_car_A1_spd_28V.wav"]
    pack(folder / "eval_data_ToyCar_train.zip", train)
    hidden = [f"ToyCar/test/section_03_{n:04}.wav" for n in range(3)]
    pack(folder / "eval_data_ToyCar_test.zip", hidden)


def pack_2023(folder: Path) -> None:
    names = [
        "valve/train/section_00_source_train_normal_0000_pat_00.wav",
        "valve/train/section_00_target_train_normal_0001_noAttribute.wav",
        "valve/test/section_00_target_test_anomaly_0000.wav",
    ]
    table = f"file_name,d1p,d1v,d2p,d2v\n{names[0]},pat,07,,\n{names[2]},pat,03,spd,-1.5\n"
    pack(folder / "dev_valve.zip", names, {"valve/attributes_00.csv": table})
    pack(
        folder / "eval_data_shaker_train.zip",
        ["shaker/train/section_00_source_train_normal_0000_speed_1.wav"],
    )
    pack(
        folder / "eval_data_shaker_test.zip",
        ["shaker/test/section_00_0000.wav", "shaker/test/section_00_0199.wav"],
    )


def pack_first_shot(folder: Path, dev: str, evaluation: str, train_archive: str) -> None:
    pack(
        folder / f"dev_{dev}.zip",
        [
            f"{dev}/train/section_00_source_train_normal_0000_noAttribute.wav",
            f"{dev}/test/section_00_target_test_normal_0000_vel_-1.5.wav",
        ],
    )
    train = [f"{evaluation}/train/section_00_target_train_normal_0990_spd_2.wav"]
    pack(folder / train_archive, train)
    hidden = [f"{evaluation}/test/section_00_{n:04}.wav" for n in (1, 2, 3)]
    pack(folder / f"eval_data_{evaluation}_test.zip", hidden)


def pack_2024(folder: Path) -> None:
    pack_first_shot(folder, "gearbox", "3DPrinter", "eval_data_3DPrinter_train_r2.zip")


def pack_2025(folder: Path) -> None:
    pack_first_shot(folder, "ToyTrain", "AutoTrash", "eval_data_AutoTrash_train.zip")


PACKERS = {
    "dcase2020": pack_2020,
    "dcase2021": pack_2021,
    "dcase2022": pack_2022,
    "dcase2023": pack_2023,
    "dcase2024": pack_2024,
    "dcase2025": pack_2025,
}


def rows(folder: Path) -> dict[str, tfds_dcase.ClipInfo]:
    return {clip.clip_id: clip for clip in tfds_dcase.read_index(folder)}


@pytest.mark.parametrize("dataset", PACKERS)
def test_every_clip_becomes_a_record_with_its_samples(dataset: str, tmp_path: Path) -> None:
    PACKERS[dataset](tmp_path / dataset)
    built = tfds_dcase.prepare(dataset, tmp_path, tmp_path / "datasets")
    reader = tfds.builder_from_directory(built.data_path)
    index = tfds_dcase.read_index(built.data_path)
    packed = 0
    for path in (tmp_path / dataset).glob("*.zip"):
        packed += sum(name.endswith(".wav") for name in zipfile.ZipFile(path).namelist())
    assert (
        len({clip.clip_id for clip in index}) == len(index) == packed - (dataset == "dcase2020") * 2
    )
    for clip in index:
        record = reader.as_data_source(clip.split)[clip.position]
        member = clip.clip_id.split("/", 2)[2]
        np.testing.assert_array_equal(record["waveform"], waveform(member))
        assert record["waveform"].dtype == np.int16
        assert record["clip_id"].decode() == clip.clip_id
        assert LAYOUTS[dataset].has_domains or clip.domain == "source"
        assert (clip.samples, clip.sample_rate) == (len(waveform(member)), 16000)


def test_2022_joins_the_hidden_label_and_domain(tmp_path: Path) -> None:
    """Neither stands in an evaluation clip's name; the lists in circulation have them wrong for ToyCar."""
    pack_2022(tmp_path)
    built = tfds_dcase.prepare(2022, tmp_path, tmp_path / "datasets")
    clips = rows(built.data_path)
    known = {
        clip.file_name: (clip.section, clip.domain, clip.label)
        for clip in clips.values()
        if clip.split == "eval_test_ToyCar"
    }
    assert known == {
        "section_03_0000.wav": ("section_03", "target", "anomaly"),
        "section_03_0001.wav": ("section_03", "source", "normal"),
        "section_03_0002.wav": ("section_03", "source", "normal"),
    }
    train = clips["dcase2022/dev/bearing/train/section_01_target_train_normal_0003_vel_2_loc_E.wav"]
    assert (train.section, train.domain, train.attributes) == (
        "section_01",
        "target",
        "vel_2_loc_E",
    )


@pytest.mark.parametrize(
    ("year", "clip_id", "truth"),
    [
        (2024, "3DPrinter/test/section_00_0002.wav", ("target", "normal", "mdl_B_spd_2")),
        (2025, "AutoTrash/test/section_00_0001.wav", ("target", "normal", "id_C1_spd_2_mic_2")),
    ],
)
def test_first_shot_years_join_label_domain_and_attributes(
    tmp_path: Path, year: int, clip_id: str, truth: tuple[str, str, str]
) -> None:
    """Also where the training archive was released a second time under another name."""
    PACKERS[f"dcase{year}"](tmp_path)
    built = tfds_dcase.prepare(year, tmp_path, tmp_path / "datasets")
    clips = rows(built.data_path)
    clip = clips[f"dcase{year}/eval/{clip_id}"]
    assert (clip.domain, clip.label, clip.attributes) == truth
    assert f"eval_train_{clip.machine_type}" in built.info.splits


def test_2020_has_ids_and_joins_hidden_labels(tmp_path: Path) -> None:
    pack_2020(tmp_path)
    built = tfds_dcase.prepare(2020, tmp_path, tmp_path / "datasets")
    assert set(built.info.splits) == {
        "dev_train_fan",
        "dev_test_fan",
        "dev_train_ToyCar",
        "dev_test_ToyCar",
        "eval_train_fan",
        "eval_test_fan",
    }
    clips = rows(built.data_path)
    train = clips["dcase2020/dev/fan/train/normal_id_00_00000000.wav"]
    assert (train.split, train.section, train.label) == ("dev_train_fan", "id_00", "normal")
    assert clips["dcase2020/dev/fan/test/anomaly_id_02_00000000.wav"].label == "anomaly"
    table = Path(tfds_dcase.__file__).parent / "ground_truth/dcase2020_eval.csv"
    with table.open() as file:
        truth = {
            row["file_name"]: row["label"]
            for row in csv.DictReader(file)
            if row["machine_type"] == "fan"
        }
    name = "id_01_00000000.wav"
    assert clips[f"dcase2020/eval/fan/test/{name}"].label == truth[name]
    assert clips["dcase2020/eval/fan/test/id_01_99999999.wav"].label == "unknown"


def test_2021_has_domains_and_attributes_in_names(tmp_path: Path) -> None:
    pack_2021(tmp_path)
    clips = rows(tfds_dcase.prepare(2021, tmp_path, tmp_path / "datasets").data_path)
    train = clips[
        "dcase2021/dev/fan/train/section_00_source_train_normal_0000_strength_1_ambient.wav"
    ]
    assert (train.section, train.domain, train.attributes) == (
        "section_00",
        "source",
        "strength_1_ambient",
    )
    target = clips["dcase2021/dev/fan/target_test/section_00_target_test_anomaly_0000.wav"]
    assert (target.split, target.domain, target.label) == ("dev_test_fan", "target", "anomaly")
    hidden = clips["dcase2021/eval/fan/target_test/section_03_target_test_0000.wav"]
    assert hidden.domain == "target"
    assert hidden.label in ("normal", "anomaly")


def test_2023_takes_attributes_from_the_table_and_says_where_names_disagree(tmp_path: Path) -> None:
    pack_2023(tmp_path)
    built = tfds_dcase.prepare(2023, tmp_path, tmp_path / "datasets")
    attributes = {
        clip.file_name: clip.attributes for clip in tfds_dcase.read_index(built.data_path)
    }
    assert attributes["section_00_source_train_normal_0000_pat_00.wav"] == "pat_07"
    assert attributes["section_00_target_train_normal_0001_noAttribute.wav"] == ""
    assert attributes["section_00_target_test_anomaly_0000.wav"] == "pat_03_spd_-1.5"
    assert attributes["section_00_0199.wav"] == "speed_1200"
    text = tfds_dcase.summary(built.data_path)
    assert "dev_valve.zip: the attributes CSV and 1 file names disagree" in text
    last = rows(built.data_path)["dcase2023/eval/shaker/test/section_00_0199.wav"]
    assert (last.domain, last.label) == ("target", "normal")


def test_own_ground_truth_replaces_the_packaged_table(tmp_path: Path) -> None:
    pack_2023(tmp_path)
    table = "machine_type,file_name,section,domain,label,attributes\n"
    table += "shaker,section_00_0199.wav,section_00,source,anomaly,speed_9\n"
    (tmp_path / "ground_truth.csv").write_text(table)
    clips = rows(tfds_dcase.prepare(2023, tmp_path, tmp_path / "datasets").data_path)
    own = clips["dcase2023/eval/shaker/test/section_00_0199.wav"]
    assert (own.domain, own.label, own.attributes) == ("source", "anomaly", "speed_9")
    unlisted = clips["dcase2023/eval/shaker/test/section_00_0000.wav"]
    assert (unlisted.domain, unlisted.label) == ("unknown", "unknown")


def test_summary_counts_clips_and_hours_and_names_what_was_absent(tmp_path: Path) -> None:
    pack_2020(tmp_path)
    built = tfds_dcase.prepare(2020, tmp_path, tmp_path / "datasets")
    lines = [line.split() for line in tfds_dcase.summary(built.data_path).splitlines()]
    assert ["fan", "id_00", "source", "5", "0", "0", "0", "0.00"] in lines
    assert ["all", "10", "2", "2", "0", "0.00"] in lines
    assert "dev_data_<machine type>.zip: ToyConveyor, pump, slider, valve" in tfds_dcase.summary(
        built.data_path
    )


def test_machine_types_limit_what_is_built(tmp_path: Path) -> None:
    pack_2020(tmp_path)
    built = tfds_dcase.prepare(2020, tmp_path, tmp_path / "datasets", machine_types=["ToyCar"])
    assert set(built.info.splits) == {"dev_train_ToyCar", "dev_test_ToyCar"}


def test_large_splits_go_into_several_shards_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack_2020(tmp_path)
    monkeypatch.setattr(tfds_dcase_dataset_builder, "_SHARD_BYTES", 1500)
    built = tfds_dcase.prepare(2020, tmp_path, tmp_path / "datasets")
    assert built.info.splits["dev_train_fan"].num_shards > 1
    names = [
        clip.file_name
        for clip in tfds_dcase.read_index(built.data_path)
        if clip.split == "dev_train_fan"
    ]
    assert [
        record["file_name"].decode() for record in built.as_data_source("dev_train_fan")
    ] == names
    assert len(set(names)) == 5


def test_the_order_of_records_does_not_depend_on_the_archive(tmp_path: Path) -> None:
    names = [f"fan/train/normal_id_00_{n:08}.wav" for n in range(9)]
    for folder, order in (("a", names), ("b", names[::-1])):
        pack(tmp_path / folder / "dev_data_fan.zip", order)
        tfds_dcase.prepare(2020, tmp_path / folder, tmp_path / folder)
    index_a, index_b = (
        tfds_dcase.read_index(tfds_dcase.dataset_folder(2020, tmp_path / folder)) for folder in "ab"
    )
    assert index_a == index_b
    assert [clip.file_name for clip in index_a] != [Path(name).name for name in names]


def test_the_builder_works_through_plain_tfds_calls(tmp_path: Path) -> None:
    pack_2020(tmp_path)
    config = tfds.download.DownloadConfig(manual_dir=tmp_path, try_download_gcs=False)
    builder = tfds_dcase.Builder(config="dcase2020", data_dir=tmp_path / "datasets")
    pickle.loads(pickle.dumps(builder)).download_and_prepare(download_config=config)  # noqa: S301
    loaded = tfds_dcase.load("dcase2020", tmp_path / "datasets")
    assert len(loaded.as_data_source("dev_train_fan[:40%]")) == 2
    assert loaded.info.features["waveform"].np_dtype == np.int16
    metadata = json.loads((Path(loaded.data_path) / "dataset_info.json").read_text())
    assert metadata["citation"]
    assert "anomalous" in metadata["description"]


def test_progress_reports_every_clip(tmp_path: Path) -> None:
    pack_2020(tmp_path)
    reports: list[tuple[str, int, int]] = []
    tfds_dcase.prepare(
        2020,
        tmp_path,
        tmp_path / "datasets",
        progress=lambda phase, done, total, size: reports.append((phase, done, total)),
    )
    assert reports == [(phase, n, 18) for phase in ("reading", "checking") for n in range(1, 19)]
