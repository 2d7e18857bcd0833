"""What a run makes of many files: bad ones, long ones, unnamed ones, and how they are decided."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asd_jax.config import DataConfig, Experiment, TrainingConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig
from asd_jax.features.logmel import LogMel
from asd_jax.inference.audio_files import read_recording
from asd_jax.inference.run import FileScoring, score_files
from asd_jax.scoring.calibrated_score import CalibratedScore
from asd_jax.training.experiment import load_experiment, train

HALF_SECOND = 8000


def sound(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="int16")[0]


def by_name(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {Path(row["file"]).name: row for row in rows}


def test_bad_files_are_reported_in_their_place_and_the_rest_goes_on(
    run_2020: Path, wavs_2020: Path, tmp_path: Path, score: Any, capsys: Any
) -> None:
    """Each good file keeps the score that it has among good ones; a broken one never gets another's."""
    good = sorted((wavs_2020 / "fan" / "test").glob("normal*.wav"))
    folder = tmp_path / "fan"
    folder.mkdir()
    for number, path in enumerate(good):
        (folder / f"{2 * number}_{path.name}").write_bytes(path.read_bytes())
        (folder / f"{2 * number + 1}_broken.wav").write_bytes(path.read_bytes()[:-100])
    soundfile.write(folder / "9_silent.wav", np.zeros(16000, np.int16), 16000)
    soundfile.write(folder / "9_one_sample.wav", np.zeros(1, np.int16), 16000)
    rows = score(run_2020, [folder])
    assert [row["file"] for row in rows] == sorted(map(str, folder.iterdir()))
    for row in rows:
        if "broken" in row["file"]:
            assert not row["score"]
            assert not row["decision"]
            assert "is cut off" in row["error"]
            assert "Copy or record it again" in row["error"]
        else:
            assert np.isfinite(float(row["score"]))
            assert not row["error"]
    alone = [row["score"] for row in score(run_2020, good)]
    found = [row["score"] for row in rows if "normal" in row["file"]]
    assert [float(value) for value in found] == pytest.approx(list(map(float, alone)), 1e-6, 1e-9)
    output = capsys.readouterr()
    assert output.err.count("_broken.wav: has a wrong header or is cut off") == len(good)


def test_a_long_file_is_heard_to_its_end_and_says_so(
    run_2020: Path, wavs_2020: Path, tmp_path: Path, score: Any
) -> None:
    """A model that hears heads hears all of what is longer than its training clips, unless told otherwise.

    The long file's windows are two test clips behind each other: the mean of their scores is its own.
    """
    heads = "detector.clip.evaluation=head"
    clips = sorted((wavs_2020 / "fan" / "test").glob("normal_id_00*.wav"))[:2]
    folder = tmp_path / "fan" / "id_00"
    folder.mkdir(parents=True)
    halves = [sound(clip)[:HALF_SECOND] for clip in clips]
    for name, parts in {"a": halves[:1], "b": halves[1:], "long": [*halves, halves[0]]}.items():
        soundfile.write(folder / f"{name}.wav", np.concatenate(parts), 16000)
    for windows, heard in {"auto": 1.5, "head": 0.5, "all": 1.5}.items():
        rows = by_name(score(run_2020, [folder], heads, windows=windows))
        a, b, long = (float(rows[f"{name}.wav"]["score"]) for name in ("a", "b", "long"))
        expected = a if windows == "head" else (2 * a + b) / 3
        assert long == pytest.approx(expected, 1e-4)
        assert float(rows["long.wav"]["heard_seconds"]) == heard
        assert float(rows["long.wav"]["seconds"]) == 1.5
    whole = score(run_2020, clips[:1], heads)[0]
    assert (whole["seconds"], whole["heard_seconds"]) == ("1.0", "0.5")


@pytest.mark.parametrize(
    ("setting", "length", "step"),
    [
        ("detector.clip.evaluation=head", 8000, 4000),
        ("evaluation.pooling=max", 16000, 8000),
        ("evaluation.score=knn", 16000, 8000),
        ("detector.clip.hop=3000", 16000, 6000),
    ],
)
def test_a_much_longer_file_gets_the_score_of_its_worst_stretch_cut_by_hand(
    run_2020: Path,
    wavs_2020: Path,
    tmp_path: Path,
    score: Any,
    setting: str,
    length: int,
    step: int,
) -> None:
    """Fan clips with one of valves among them: the line says where, and that it was judged so."""
    clips = [*sorted((wavs_2020 / "fan" / "test").glob("normal_id_00*.wav"))] * 3
    joined = [sound(path) for path in clips]
    joined[3] = sound(next((wavs_2020 / "valve" / "test").glob("anomaly*.wav")))
    samples = np.concatenate(joined)
    for name in ("long", "pieces"):
        (tmp_path / name / "fan" / "id_00").mkdir(parents=True)
    soundfile.write(tmp_path / "long/fan/id_00/long.wav", samples, 16000)
    for start in {*range(0, len(samples) - length, step), len(samples) - length}:
        piece = samples[start : start + length]
        soundfile.write(tmp_path / f"pieces/fan/id_00/{start:06d}.wav", piece, 16000)
    pieces = score(run_2020, [tmp_path / "pieces"], setting)
    worst = max(pieces, key=lambda row: float(row["score"]))
    [long] = score(run_2020, [tmp_path / "long"], setting)
    assert float(long["score"]) == pytest.approx(float(worst["score"]), 5e-6, 1e-9)
    begin = int(Path(worst["file"]).stem) / 16000
    assert (float(long["worst_start"]), float(long["worst_end"])) == (begin, begin + length / 16000)
    assert int(long["stretches"]) == len(pieces)
    assert (long["seconds"], long["heard_seconds"]) == ("6.0", "6.0")
    assert f"{len(pieces)} stretches" in long["remark"]
    assert "12 training normals, which alone resolve none below" in long["remark"]
    assert {row["stretches"] + row["worst_start"] + row["remark"] for row in pieces} == {""}


def test_a_second_of_fault_in_a_minute_rings_and_a_minute_of_normal_sound_does_not(
    data_2020: str, wavs_2020: Path, tmp_path: Path, score: Any
) -> None:
    """The machine stands still; --windows=head hears none of that, and says so."""
    detector = DenseAutoencoderConfig(
        clip=WindowPolicy(samples=8000, evaluation="all"),
        features=LogMel(n_fft=512, hop=256, n_mels=16),
        encoder=(16,),
        decoder=(16,),
    )
    data = DataConfig("dcase2020", data_2020, machine_types=("fan",), one_model_per="machine_type")
    workdir = tmp_path / "run"
    train(Experiment("own", detector, data, TrainingConfig(epochs=2, batch_size=4)), workdir)
    folder = tmp_path / "fan" / "id_00"
    folder.mkdir(parents=True)
    normal = [sound(path) for path in sorted((wavs_2020 / "fan/train").glob("*id_00*.wav"))] * 10
    faulty = [*normal[:37], np.zeros(16000, np.int16), *normal[38:]]
    for name, parts in {"normal": normal, "fault": faulty}.items():
        soundfile.write(folder / f"{name}.wav", np.concatenate(parts), 16000)
    for options in ({}, {"false_alarm_rate": 0.1}):
        rows = by_name(score(workdir, [folder], **options))
        decisions = {name: row["decision"] for name, row in rows.items()}
        assert decisions == {"normal.wav": "0", "fault.wav": "1"}
        assert float(rows["fault.wav"]["p_value"]) <= 0.1 < float(rows["normal.wav"]["p_value"])
    assert float(rows["fault.wav"]["worst_start"]) == pytest.approx(37, abs=0.5)
    [head] = score(workdir, [folder / "fault.wav"], windows="head")
    assert (head["decision"], head["stretches"]) == ("0", "")
    assert head["remark"] == "only 0.5 of its 60.0 s were heard"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_never_normal(
    run_2020: Path,
    wavs_2020: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    score: Any,
    value: float,
) -> None:
    """Neither of a clip nor of one stretch: an error in its line, and the status of a file that was not heard."""
    clip = sorted((wavs_2020 / "fan" / "test").glob("normal_id_00*.wav"))[0]
    folder = tmp_path / "fan" / "id_00"
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(clip.read_bytes())
    soundfile.write(folder / "b_long.wav", np.tile(sound(clip), 5), 16000)
    true = CalibratedScore.score_samples

    def broken(self: CalibratedScore, reports: Any, clips: Any) -> np.ndarray:
        scores = np.array(true(self, reports, clips), float)
        scores[0 if len(scores) < 3 else 4] = value
        return scores

    score(run_2020, [folder])
    monkeypatch.setattr(CalibratedScore, "score_samples", broken)
    table = score_files(load_experiment(run_2020), run_2020, [folder], FileScoring())
    assert (table.status, table.scored, table.unreadable) == (3, 0, 2)
    clip_row, long_row = score(run_2020, [folder])
    assert clip_row["error"].startswith("its score is not finite, which is neither normal nor")
    assert long_row["error"].startswith("its score at 2.0 s is not finite")
    assert {row["decision"] + row["score"] for row in (clip_row, long_row)} == {""}


def test_what_is_left_out_of_folders_is_named_and_changes_the_status(
    run_2020: Path, wavs_2020: Path, tmp_path: Path, capsys: Any
) -> None:
    """mp3 is heard, m4a has a line and the status, tables are counted, hidden files are nothing."""
    folder, empty = tmp_path / "fan", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    clip = sound(sorted((wavs_2020 / "fan" / "test").glob("normal*.wav"))[0])
    soundfile.write(folder / "a.mp3", clip, 16000)
    experiment, quantile = load_experiment(run_2020), FileScoring(quantile=0.999999)
    (folder / "notes.csv").write_text("1,2")
    (folder / "._a.mp3").write_bytes(b"not sound")
    table = score_files(experiment, run_2020, [folder], quantile)
    assert (table.status, table.scored) == (0, 1)
    assert table.summary().endswith("; no recordings by their endings: 1 .csv")
    capsys.readouterr()
    (folder / "b.M4A").write_bytes(b"\0\0\0\x20ftypM4A ")
    table = score_files(experiment, run_2020, [folder, empty], quantile)
    assert (table.status, table.scored, table.unreadable) == (3, 1, 2)
    errors = capsys.readouterr().err
    assert "b.M4A: is no readable audio file" in errors
    assert "empty: holds no recordings. Name audio files" in errors


def test_unnamed_files_get_the_score_of_the_section_that_they_resemble_most(
    run_2020: Path, wavs_2020: Path, tmp_path: Path, score: Any
) -> None:
    """One window: its score is the lowest of those under each section's claim, and that section is named."""
    window = ("detector.clip.evaluation=head",)
    folder = tmp_path / "valve"
    folder.mkdir()
    for number, path in enumerate(sorted((wavs_2020 / "valve" / "test").glob("*.wav"))):
        (folder / f"{number:02d}.wav").write_bytes(path.read_bytes())
    unnamed = score(run_2020, [folder], *window)
    claimed = {s: score(run_2020, [folder], *window, section=s) for s in ("id_00", "id_02")}
    assert len({row["section"] for row in unnamed}) == 2
    for i, row in enumerate(unnamed):
        under = {section: float(rows[i]["score"]) for section, rows in claimed.items()}
        assert row["section_by"] == "match"
        assert row["section"] == min(under, key=lambda section: under[section])
        assert float(row["score"]) == pytest.approx(min(under.values()), 1e-6, 1e-9)
    assert {row["section_by"] for row in claimed["id_02"]} == {"flag"}


def test_decisions_at_a_false_alarm_rate_are_those_of_the_p_values(
    run_2020: Path, wavs_2020: Path, score: Any
) -> None:
    """12 normals a machine type allow 1 in 13 at the least; fewer are refused by name before anything is heard."""
    test = wavs_2020 / "fan" / "test"
    for rate in (1 / 13, 0.5):
        rows = score(run_2020, [test], false_alarm_rate=rate)
        decisions = [int(row["decision"]) for row in rows]
        assert decisions == [int(float(row["p_value"]) <= rate) for row in rows]
    assert 0 < sum(decisions) < len(decisions)
    for rate in (0.05, 1.0, 0.0):
        few = rf"rate of {rate:g} cannot be held for fan: its 12 training normals .* from 0\.0769"
        with pytest.raises(ValueError, match=few):
            score(run_2020, [test], false_alarm_rate=rate)
    section = "evaluation.threshold_per=section"
    with pytest.raises(ValueError, match=r"its 6 training normals allow rates from 0\.143"):
        score(run_2020, [test / "normal_id_00_00000000.wav"], section, false_alarm_rate=0.1)
    with pytest.raises(ValueError, match="exclude each other"):
        score(run_2020, [test], false_alarm_rate=0.1, quantile=0.9)


def test_a_quantile_in_place_of_the_configured_one(
    run_2020: Path, wavs_2020: Path, score: Any
) -> None:
    test = wavs_2020 / "fan" / "test"
    default, half = score(run_2020, [test]), score(run_2020, [test], quantile=0.5)
    assert half == score(run_2020, [test], "evaluation.threshold_quantile=0.5")
    assert [row["score"] for row in half] == [row["score"] for row in default]
    assert sum(int(row["decision"]) for row in half) > sum(int(row["decision"]) for row in default)


def test_machine_types_that_paths_do_not_tell_are_asked_for(
    run_2020: Path, wavs_2020: Path, tmp_path: Path, score: Any
) -> None:
    """Before anything is heard; --machine_type decides over what paths say."""
    clip = wavs_2020 / "fan" / "test" / "normal_id_00_00000000.wav"
    stray = tmp_path / "stray.wav"
    stray.write_bytes(clip.read_bytes())
    untold = r"paths of 1 of 2 files \(first: .*stray\.wav\) do not tell .* known are fan, valve"
    with pytest.raises(ValueError, match=untold):
        score(run_2020, [clip, stray])
    with pytest.raises(ValueError, match="machine type pump is not known: choose one of fan, val"):
        score(run_2020, [stray], machine_type="pump")
    [row] = score(run_2020, [stray], machine_type="valve")
    assert row["machine_type"] == "valve"


def test_a_section_that_is_not_known_is_refused(
    run_2020: Path, wavs_2020: Path, score: Any
) -> None:
    with pytest.raises(ValueError, match=r"section id_01 is not known .* known are id_00, id_02"):
        score(run_2020, [wavs_2020 / "fan" / "test"], section="id_01")


def test_results_come_as_they_are_ready(
    run_2020: Path, wavs_2020: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the last file, the lines of all finished batches are on the disk."""
    files = sorted((wavs_2020 / "fan" / "test").glob("*.wav"))
    pipes = tmp_path / "fan"
    pipes.mkdir()
    last = pipes / "last.wav"
    last.write_bytes(files[0].read_bytes())
    output = tmp_path / "scores.csv"

    def interrupted(path: Path, channel: str) -> Any:
        if path == last:
            raise KeyboardInterrupt
        return read_recording(path, channel)

    monkeypatch.setattr("asd_jax.inference.hearing.read_recording", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_files(load_experiment(run_2020), run_2020, [*files, last], FileScoring(), output)
    kept = output.read_text().splitlines()
    # Two windows a file, eight a batch.
    assert len(kept) == 1 + len(files) // 4 * 4
    assert all(line.count(",") == kept[0].count(",") for line in kept)


def test_the_output_is_never_one_of_the_inputs(run_2020: Path, wavs_2020: Path) -> None:
    clip = wavs_2020 / "fan" / "test" / "normal_id_00_00000000.wav"
    before = clip.read_bytes()
    experiment = load_experiment(run_2020)
    with pytest.raises(ValueError, match="is one of the files to score"):
        score_files(experiment, run_2020, [clip], FileScoring(), clip)
    assert clip.read_bytes() == before
    with pytest.raises(ValueError, match=r"cannot be written \(No such file"):
        score_files(experiment, run_2020, [clip], FileScoring(), Path("/nowhere/scores.csv"))
