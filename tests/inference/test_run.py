"""What a run makes of many files: bad ones, long ones, unnamed ones, and how they are decided."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asd_jax.inference.audio_files import read_recording
from asd_jax.inference.run import FileScoring, score_files
from asd_jax.training.experiment import load_experiment

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
