"""A verification remarks on audio that a user should know of, and on nothing else."""

from pathlib import Path

import numpy as np
import pytest
from tfds_dcase import odd_audio
from tfds_dcase.findings import Finding, listed
from tfds_dcase.verification import verify

from tests.tfds_dcase.fan_archives import (
    SECOND,
    Waveform,
    anomalous_clip,
    noise,
    prepared,
    training_clip,
)

LENGTH = 2 * SECOND


def clipped(share: float) -> Waveform:
    samples = noise(1)
    samples[: round(share * LENGTH) : 2] = 32767
    samples[1 : round(share * LENGTH) : 2] = -32768
    return samples


ODD: dict[str, tuple[Waveform, str, str]] = {
    "silence": (noise(1) * 0, odd_audio.SILENCE, "all samples are 0"),
    "constant": (np.full(LENGTH, -7, np.int16), odd_audio.CONSTANT, "all samples are -7"),
    "clipping": (clipped(0.002), odd_audio.CLIPPED, "0.20% of the samples are clipped"),
    "offset": (noise(1) - np.int16(400), odd_audio.OFFSET, "-1.2% of full scale"),
    "short": (noise(1, 800), odd_audio.SHORT, "0.050 s"),
    "length": (noise(1, LENGTH - 1), odd_audio.LENGTH, "31999 samples, the others have 32000"),
}
USUAL = {
    "a few clipped samples": clipped(0.0009),
    "a small offset": noise(1) + np.int16(300),
    "full scale without clipping": np.tile(np.array([32766, -32767], np.int16), SECOND),
}


def remarks(clips: dict[str, Waveform], folder: Path) -> list[Finding]:
    verified = verify(2020, prepared(folder, clips))
    assert not verified.faults
    return list(verified.remarks)


@pytest.mark.parametrize("case", ODD)
def test_odd_clips_are_named_with_what_is_odd(case: str, tmp_path: Path) -> None:
    samples, kind, what = ODD[case]
    clips = {training_clip(n): noise(n + 2) for n in range(10)} | {training_clip(99): samples}
    found = [remark for remark in remarks(clips, tmp_path) if remark.kind == kind]
    assert len(found) == 1
    assert training_clip(99) in found[0].where
    assert what in found[0].what


@pytest.mark.parametrize("case", USUAL)
def test_usual_clips_get_no_remark(case: str, tmp_path: Path) -> None:
    clips = {training_clip(n): noise(n + 2) for n in range(3)} | {training_clip(99): USUAL[case]}
    assert remarks(clips, tmp_path) == []


def test_where_lengths_vary_only_outliers_are_remarked(tmp_path: Path) -> None:
    clips = {training_clip(n): noise(n, LENGTH + 1000 * n) for n in range(10)}
    clips[training_clip(50)] = noise(50, 3 * LENGTH)
    (remark,) = remarks(clips, tmp_path)
    assert (remark.kind, training_clip(50) in remark.where) == (odd_audio.LENGTH, True)


def test_the_same_audio_is_listed_by_what_it_spoils(tmp_path: Path) -> None:
    twice, leaked = noise(1), noise(2)
    clips = {training_clip(n): noise(10 + n) for n in range(3)}
    clips |= {training_clip(n): twice for n in (10, 11)}
    clips |= {training_clip(20): leaked, anomalous_clip(20): leaked}
    clips |= {training_clip(30): noise(1) * 0, anomalous_clip(30): noise(1) * 0}
    found = {remark.kind: remark for remark in remarks(clips, tmp_path)}
    assert set(found) == {odd_audio.IN_SPLIT, odd_audio.TRAIN_AND_TEST, odd_audio.SILENCE}
    in_split = found[odd_audio.IN_SPLIT]
    names = {f"dcase2020/dev/{training_clip(n)}" for n in (10, 11)}
    assert {in_split.where, in_split.what.removeprefix("is also ")} == names
    leak = found[odd_audio.TRAIN_AND_TEST]
    assert {training_clip(20), anomalous_clip(20)} == {
        clip_id.removeprefix("dcase2020/dev/")
        for clip_id in (leak.where, leak.what.removeprefix("is also "))
    }


def test_long_lists_are_cut_but_counted_and_cannot_write_to_the_terminal() -> None:
    findings = [Finding("odd", f"clip {n}", "\x1b[2J") for n in range(30)]
    lines = listed(findings, {"other": "", "odd": "Remove them."})
    assert lines[0] == "odd (30, the first 20 are listed). Remove them."
    assert len(lines) == 21
    assert "\x1b" not in "".join(lines)
