"""A folder of own recordings, or a table of them, becomes a dataset like that of a year."""

import pickle
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds
import tfds_dcase
from tfds_dcase.folder import OwnRecordings
from tfds_dcase.folder_names import Contradiction, is_told_word, place, told_by_names
from tfds_dcase.layouts import LAYOUTS

from tests.tfds_dcase.own_recordings import clips, labels, notes, waveform, write


@pytest.mark.parametrize(
    ("name", "part", "label"),
    [
        ("fan/a.wav", "train", "normal"),
        ("fan/train/a.wav", "train", "normal"),
        ("fan/Train/2024/line 3/a.wav", "train", "normal"),
        ("fan/normal/a.wav", "train", "normal"),
        ("fan/normalized/a.wav", "train", "normal"),
        ("fan/test_bench/a.wav", "train", "normal"),
        ("fan/test/a.wav", "test", "unknown"),
        ("fan/TEST/a.WAV", "test", "unknown"),
        ("fan/2024/test/deep/er/a.wav", "test", "unknown"),
        ("fan/test/normal/a.wav", "test", "normal"),
        ("fan/test/normal-3.wav", "test", "normal"),
        ("fan/test/Normal2/a.wav", "test", "normal"),
        ("fan/test/normalized/a.wav", "test", "unknown"),
        ("fan/test/anomaly/a.wav", "test", "anomaly"),
        ("fan/test/anomalous_belt.wav", "test", "anomaly"),
        ("fan/test/AnomalyBelt/a.wav", "test", "anomaly"),
        ("fan/test/anomalies/a.wav", "test", "anomaly"),
        ("fan/abnormal/a.wav", "test", "anomaly"),
        ("fan/train/anomaly_1.wav", "test", "anomaly"),
        ("fan/section_00_source_train_normal_0000_noAttribute.wav", "train", "normal"),
        ("fan/section_00_source_test_anomaly_0000.wav", "test", "anomaly"),
        ("fan/section_00_target_test_normal_0000_vel_6.wav", "test", "normal"),
        ("fan/test/section_00_0000.wav", "test", "unknown"),
        ("fan/test/id_00_00000000.wav", "test", "unknown"),
        ("fan/test/anomaly_id_00_00000000.wav", "test", "anomaly"),
    ],
)
def test_part_and_label_come_from_names(name: str, part: str, label: str, tmp_path: Path) -> None:
    """Beside an ordinary recording, so that a machine type of anomalies alone can be built, too."""
    write(tmp_path / "own", name, "pump/b.wav")
    assert labels(clips(tmp_path / "own", tmp_path / "data").values())[name] == (part, label)


@pytest.mark.parametrize(
    ("name", "section", "domain", "attributes"),
    [
        ("fan/a.wav", "section_00", "source", ""),
        ("fan/section_03/train/a.wav", "section_03", "source", ""),
        ("fan/id_00/abnormal/a.wav", "id_00", "source", ""),
        ("fan/target/a.wav", "section_00", "target", ""),
        ("fan/target_test/a.wav", "section_00", "target", ""),
        ("fan/section_02_target_train_normal_0001_vel_6_mic_1.wav", "section_02", "target", "vel_6_mic_1"),
        ("fan/section_02_source_train_normal_0001_noAttribute.wav", "section_02", "source", ""),
        ("fan/section_01/section_01_0001.wav", "section_01", "source", ""),
        ("fan/train/normal_id_06_00000000.wav", "id_06", "source", ""),
    ],
)  # fmt: skip
def test_section_domain_and_attributes_come_from_names(
    name: str, section: str, domain: str, attributes: str, tmp_path: Path
) -> None:
    write(tmp_path / "own", name)
    clip = clips(tmp_path / "own", tmp_path / "data")[name]
    assert (clip.section, clip.domain, clip.attributes) == (section, domain, attributes)


def test_records_have_the_schema_and_names_of_a_year(tmp_path: Path) -> None:
    """Spaces, other scripts, equal base names and names that differ by their ending alone are fine."""
    names = [
        "fan/train/a.wav",
        "fan/train/a.flac",
        "fan/train/line 3/a.wav",
        "fan/test/機械 音.wav",
        "Lüfter-2_neu/train/größe.wav",
    ]
    write(tmp_path / "own", *names)
    built = tfds_dcase.prepare("folder", tmp_path / "own", tmp_path)
    assert set(built.info.splits) == {
        "dev_train_fan",
        "dev_test_fan",
        "dev_train_Lüfter-2_neu",
    }
    reader = tfds.builder_from_directory(built.data_path)
    index = tfds_dcase.read_index(tfds_dcase.dataset_folder("folder", tmp_path))
    assert {clip.clip_id for clip in index} == {f"folder/dev/{name}" for name in names}
    for clip in index:
        record = reader.as_data_source(clip.split)[clip.position]
        np.testing.assert_array_equal(record["waveform"], waveform(clip.file_name)[:, 0])
        assert record["file_name"].decode() == clip.file_name
        assert (clip.machine_type, clip.sample_rate) == (clip.file_name.split("/")[0], 16000)
    year = tfds_dcase.Builder(config="dcase2020", data_dir=tmp_path)
    assert reader.info.features.keys() == year.info.features.keys()
    assert len(tfds_dcase.load("folder", tmp_path).as_data_source("dev_train_fan")) == 3


@pytest.mark.parametrize(
    ("channel", "shape"), [("mean", (None,)), ("second", (None,)), ("all", (None, 3))]
)
def test_the_number_of_channels_survives_in_the_dataset(
    channel: str, shape: tuple[int | None, ...], tmp_path: Path
) -> None:
    write(tmp_path / "own", "fan/a.wav", channels=3)
    tfds_dcase.prepare("folder", tmp_path / "own", tmp_path, channel=channel)
    reader = tfds.builder_from_directory(tfds_dcase.dataset_folder("folder", tmp_path))
    assert reader.info.features["waveform"].shape == shape
    stored = reader.as_data_source("dev_train_fan")[0]["waveform"]
    whole = waveform("fan/a.wav", 3)
    wanted = {"mean": np.rint(whole.mean(axis=1)), "second": whole[:, 1], "all": whole}
    np.testing.assert_array_equal(stored, wanted[channel])


def test_mono_recordings_with_all_channels_are_as_those_of_a_year(tmp_path: Path) -> None:
    write(tmp_path / "own", "fan/a.wav")
    built = tfds_dcase.prepare("folder", tmp_path / "own", tmp_path, channel="all")
    assert built.info.features["waveform"].shape == (None,)


def test_the_summary_tells_what_was_moved_resampled_clipped_and_left_out(tmp_path: Path) -> None:
    own = tmp_path / "own"
    write(own, "fan/train/a.wav", "fan/train/anomaly.wav", "fan/anomaly/b.wav", "pump/test/c.wav")
    write(own, "fan/train/d.wav", "fan/train/e.wav", rate=8000)
    write(own, "fan/train/f.wav", rate=44100)
    loud = np.array([0.0, 1.5, -1.5, 2.0])
    soundfile.write(own / "fan/g.wav", loud, 16000, subtype="FLOAT")
    for name in ("readme.txt", "fan/a.m4a", "fan/b.m4a", ".DS_Store", "fan/._a.wav", ".git/x.wav"):
        (own / name).parent.mkdir(exist_ok=True)
        (own / name).write_bytes(b"x")
    (own / "fan/link.wav").symlink_to(own / "fan/g.wav")
    (own / "elsewhere").symlink_to(tmp_path)
    (own / "notes").mkdir()
    clips(own, tmp_path / "data")
    text = notes(tmp_path / "data")
    assert "2 anomalies lay outside the test part" in text
    assert "3 recordings were resampled to 16 kHz: 2 from 8000 Hz, 1 from 44100 Hz" in text
    assert "3 samples of 1 recordings lay beyond full scale" in text
    assert "(3) in fan/g.wav" in text
    assert "3 files are no recordings by their endings and were left out: 2 .m4a, 1 .txt" in text
    assert "2 symbolic links were left out" in text
    assert "nothing to train on for pump" in text


def test_an_orderly_folder_gets_no_remarks(tmp_path: Path) -> None:
    write(tmp_path / "own", "fan/train/a.wav", "fan/test/anomaly/b.wav")
    clips(tmp_path / "own", tmp_path / "data")
    assert notes(tmp_path / "data").splitlines()[-1].startswith("all ")


def test_chosen_machine_types_alone_are_read(tmp_path: Path) -> None:
    """A fault in the others is no hindrance."""
    write(tmp_path / "own", "fan/a.wav", "pump/test/normal/anomaly.wav", "slide r/a.wav")
    found = clips(tmp_path / "own", tmp_path / "data", machine_types=["fan"])
    assert set(found) == {"fan/a.wav"}
    with pytest.raises(tfds_dcase.ArchiveError, match=r"no machine type 'Fan': did you mean fan\?"):
        clips(tmp_path / "own", tmp_path / "other", machine_types=["Fan"])


def write_table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_a_table_says_exactly_which_recordings_are_taken_and_what_they_are(tmp_path: Path) -> None:
    """Whatever their names say; from beside the table or below the folder; cells may be empty."""
    write(tmp_path / "own", "anomaly/test 1.wav", "b.wav", "c.wav", "d.wav", "e.wav", "not.wav")
    write(tmp_path / "lists", "beside.flac")
    table = write_table(
        tmp_path / "lists" / "clips.csv",
        "machine_type,file,section,domain,label,part,attributes",
        "fan,anomaly/test 1.wav,id_02,target,,train,speed_3",
        "fan,b.wav,,,,test,",
        "",
        "fan,c.wav,,unknown,normal,test,",
        'pump,./d.wav,,,anomaly,,"a,b"',
        "pump,beside.flac,,,,,",
    )
    found = clips(tmp_path / "own", tmp_path / "data", table=table)
    known = {
        name: (clip.split, clip.section, clip.domain, clip.label, clip.attributes)
        for name, clip in found.items()
    }
    assert known == {
        "anomaly/test 1.wav": ("dev_train_fan", "id_02", "target", "normal", "speed_3"),
        "b.wav": ("dev_test_fan", "section_00", "source", "unknown", ""),
        "c.wav": ("dev_test_fan", "section_00", "unknown", "normal", ""),
        "d.wav": ("dev_test_pump", "section_00", "source", "anomaly", "a,b"),
        "beside.flac": ("dev_train_pump", "section_00", "source", "normal", ""),
    }


def test_a_table_of_two_columns_is_enough(tmp_path: Path) -> None:
    write(tmp_path / "own", "a.wav", "b.wav")
    table = write_table(tmp_path / "own" / "t.csv", "file,machine_type", "a.wav,fan", "b.wav,pump")
    found = clips(tmp_path / "own", tmp_path / "data", table=table, machine_types=["pump"])
    assert labels(found.values()) == {"b.wav": ("train", "normal")}


def test_a_machine_type_may_bear_any_name_that_a_split_can_bear(tmp_path: Path) -> None:
    write(
        tmp_path / "own",
        "normal_pump/a.wav",
        "train-brake/a.wav",
        "3D_Printer/a.wav",
        "id_00/a.wav",
    )
    built = tfds_dcase.prepare("folder", tmp_path / "own", tmp_path)
    names = {clip.machine_type for clip in tfds_dcase.read_index(built.data_path)}
    assert names == {"normal_pump", "train-brake", "3D_Printer", "id_00"}


def test_the_builder_works_through_plain_tfds_calls(tmp_path: Path) -> None:
    """All that it depends on is in its config."""
    write(tmp_path / "own", "fan/a.wav", "fan/b.wav", channels=2)
    config = tfds_dcase.FolderConfig(
        name="folder", version="1.0.0", recordings=str(tmp_path / "own"), channel="second"
    )
    builder = tfds_dcase.DcaseFolder(config=config, data_dir=tmp_path / "data")
    download = tfds.download.DownloadConfig(try_download_gcs=False)
    pickle.loads(pickle.dumps(builder)).download_and_prepare(download_config=download)  # noqa: S301
    source = tfds_dcase.load("folder", tmp_path / "data").as_data_source("dev_train_fan")
    heard = {record["file_name"].decode(): record["waveform"] for record in source}
    np.testing.assert_array_equal(heard["fan/a.wav"], waveform("fan/a.wav", 2)[:, 1])
    assert len(source) == 2


def test_recordings_that_an_earlier_version_prepared_stay_readable(tmp_path: Path) -> None:
    """They lay beside the years; what is built anew lies in a place of its own, and they go."""
    write(tmp_path / "own", "fan/train/a.wav", "fan/train/b.wav")
    tfds_dcase.prepare("folder", tmp_path / "own", tmp_path)
    new = tmp_path / "dcase_folder/folder/1.0.0"
    earlier = tmp_path / "tfds_dcase/folder/1.1.0"
    earlier.parent.mkdir(parents=True)
    new.rename(earlier)
    assert len(tfds_dcase.load("folder", tmp_path).as_data_source("dev_train_fan")) == 2
    assert Path(tfds_dcase.prepare("folder", tmp_path / "own", tmp_path).data_path) == earlier
    built = tfds_dcase.prepare("folder", tmp_path / "own", tmp_path, rebuild=True)
    assert (Path(built.data_path), earlier.exists()) == (new, False)
    assert tfds_dcase.load("folder", tmp_path)


def test_every_year_has_a_version_of_its_own() -> None:
    """So that another truth of one year leaves what is prepared of the others alone."""
    for config in tfds_dcase.Builder.BUILDER_CONFIGS:
        folder = tfds_dcase.dataset_folder(config.name, "datasets")
        assert folder.name == str(config.version) == LAYOUTS[config.name].version


def test_a_folder_given_as_a_link_is_read(tmp_path: Path) -> None:
    write(tmp_path / "own", "fan/a.wav")
    (tmp_path / "link").symlink_to(tmp_path / "own")
    assert set(clips(tmp_path / "link", tmp_path / "data")) == {"fan/a.wav"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("press/OK/a.wav", ("train", "normal")),
        ("press/NG/a.wav", ("test", "anomaly")),
        ("press/good/a.wav", ("train", "normal")),
        ("press/broken/a.wav", ("test", "anomaly")),
        ("press/Faulty_Sounds/a.wav", ("test", "anomaly")),
        ("press/not_ok/a.wav", ("test", "anomaly")),
        ("press/NotGood/a.wav", ("test", "anomaly")),
        ("press/non-normal/a.wav", ("test", "anomaly")),
        ("press/notnormal/a.wav", ("test", "anomaly")),
        ("press/train/notnormal.wav", ("test", "anomaly")),
        ("press/train/brokenbelt.wav", ("test", "anomaly")),
        ("press/train/defekt/a.wav", ("test", "anomaly")),
        ("press/train/rejected/a.wav", ("test", "anomaly")),
        ("press/train/clogged filter/a.wav", ("test", "anomaly")),
        ("press/train/contamination/a.wav", ("test", "anomaly")),
        ("press/train/inner_race/a.wav", ("test", "anomaly")),
        ("press/train/OuterRace/a.wav", ("test", "anomaly")),
        ("press/Scrap/a.wav", ("test", "anomaly")),
        ("press/schlecht/a.wav", ("test", "anomaly")),
        ("press/Fehler/a.wav", ("test", "anomaly")),
        ("press/gut/a.wav", ("train", "normal")),
        ("press/IO/a.wav", ("train", "normal")),
        ("press/notbroken/a.wav", ("train", "normal")),
        ("press/testset/good/a.wav", ("test", "normal")),
        ("press/test_data/ok/a.wav", ("test", "normal")),
        ("press/testdata/ok/a.wav", ("test", "normal")),
        ("press/Testdaten/ok/a.wav", ("test", "normal")),
        ("press/hold_out/ok/a.wav", ("test", "normal")),
        ("press/held-out/ok/a.wav", ("test", "normal")),
        ("press/unseen/ok/a.wav", ("test", "normal")),
        ("press/verification/ok/a.wav", ("test", "normal")),
        ("press/dev_test/ok/a.wav", ("test", "normal")),
        ("press/trainset/a.wav", ("train", "normal")),
        ("press/no_defect/a.wav", ("train", "normal")),
        ("press/testing/a.wav", ("test", "unknown")),
        ("press/test_cut/a.wav", ("test", "unknown")),
        ("press/val/a.wav", ("test", "unknown")),
        ("press/Validation/ok/a.wav", ("test", "normal")),
        ("press/training/a.wav", ("train", "normal")),
        ("press/train/press_faulty_03.wav", ("test", "anomaly")),
        ("press/a_leak_2bar.wav", ("test", "anomaly")),
        ("press/bearing_OK_7.wav", ("train", "normal")),
        ("press/id_00/damage/a.wav", ("test", "anomaly")),
        ("OK_press/a.wav", ("train", "normal")),
        ("valve_leak/a.wav", ("train", "normal")),
        ("press/test_bench/a.wav", ("train", "normal")),
        ("press/contest/a.wav", ("train", "normal")),
        ("press/book/a.wav", ("train", "normal")),
        ("press/range/a.wav", ("train", "normal")),
        ("press/no_1_ok/a.wav", ("train", "normal")),
        ("press/No. 4 good/a.wav", ("train", "normal")),
        ("press/pump_no_2_normal.wav", ("train", "normal")),
        ("press/fault_free/a.wav", ("train", "normal")),
        ("press/without_fault/a.wav", ("train", "normal")),
        ("press/free_of_defects/a.wav", ("train", "normal")),
        ("press/break_in/a.wav", ("train", "normal")),
        ("press/undamaged/a.wav", ("train", "normal")),
        ("press/reference/a.wav", ("train", "normal")),
        ("press/NiO/a.wav", ("test", "anomaly")),
        ("press/n.i.O./a.wav", ("test", "anomaly")),
        ("press/iO/a.wav", ("train", "normal")),
        ("press/Radio/a.wav", ("train", "normal")),
        ("press/unhealthy/a.wav", ("test", "anomaly")),
        ("press/leaky_2/a.wav", ("test", "anomaly")),
        ("press/imbalanced/a.wav", ("test", "anomaly")),
        ("press/cavitation_1200rpm.wav", ("test", "anomaly")),
    ],
)
def test_usual_words_of_industry_tell_part_and_label(path: str, expected: tuple[str, str]) -> None:
    """An anomaly among the training normals spoils a model without a word."""
    machine, *below = PurePosixPath(path).parts
    placement = place(told_by_names(PurePosixPath(*below)))
    assert (placement.part, placement.label) == expected
    assert not is_told_word(machine)


@pytest.mark.parametrize(
    "path", ["OK/NG/a.wav", "ok_vs_ng/a.wav", "train/test/a.wav", "normal/a_broken.wav"]
)
def test_names_that_contradict_each_other_are_refused(path: str) -> None:
    with pytest.raises(Contradiction):
        told_by_names(PurePosixPath(path))


@pytest.mark.parametrize("name", ["OK", "NG", "train", "test_cut", "Not_OK", "bad clips", "val"])
def test_a_folder_of_labels_is_no_machine(name: str) -> None:
    """Whoever names the machine's own folder would get a machine type NG, trained on faults."""
    assert is_told_word(name)


def test_what_is_taken_as_what_is_told_before_anything_is_built(
    tmp_path: Path,
) -> None:
    names = ("press/OK/a.wav", "press/OK/b.wav", "press/NG/c.wav", "press/blorp/d.wav")
    write(tmp_path / "own", *names)
    table = OwnRecordings(tmp_path / "own").overview()
    assert table[0].split() == ["folder", "taken", "as", "clips"]
    lines = [" ".join(line.split()) for line in table[1:]]
    assert lines[:3] == [
        "press/NG test, anomaly (moved: named an anomaly) 1",
        "press/OK train, normal 2",
        "press/blorp train, normal 1 <- no name told it",
    ]
    assert "are learnt as normal sounds" in lines[3]


def test_a_word_below_train_that_is_not_understood_is_marked(tmp_path: Path) -> None:
    """`train` alone does not make a sound of `train/whining` normal."""
    write(tmp_path / "own", "press/train/whining/a.wav", "press/train/new_clips/b.wav")
    lines = [" ".join(line.split()) for line in OwnRecordings(tmp_path / "own").overview()[1:]]
    assert lines[:2] == [
        "press/train/new_clips train, normal 1",
        "press/train/whining train, normal 1 <- not understood: whining",
    ]
    assert "If it names a fault" in lines[2]
