"""Reports of windows, pooled to clips, against a plain loop over the same waveforms."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
import tfds_dcase

from asd_jax.config import EvaluationConfig
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import ClipSource, all_clips, select_clips
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, Metrics, TrainState
from asd_jax.features.logmel import waveform_from_int16
from asd_jax.scoring.clip_reports import Reports, report_clips

POLICY = WindowPolicy(samples=6000, evaluation="all")
RATE = 16000


class PeakDetector(Detector):
    """Scores a window by its largest sample, and by how many classes its clip may have."""

    score_names = ("peak", "candidates")

    def init(self, key: jax.Array) -> TrainState:
        return TrainState(jnp.zeros((), jnp.int32), key, {"gain": jnp.float32(2.0)}, {}, ())

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        return state, {"loss": jnp.float32(0.0)}

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        waveform = waveform_from_int16(batch["waveform"])
        return {
            "peak": state.params["gain"] * jnp.max(jnp.abs(waveform), axis=1),
            "candidates": batch["candidates"] @ jnp.arange(1.0, batch["candidates"].shape[1] + 1),
            "embedding": jnp.stack([waveform.min(axis=1), waveform.max(axis=1)], axis=1),
        }


def report(source: ClipSource, class_map: ClassMap, policy: WindowPolicy, **config: Any) -> Reports:
    detector = PeakDetector()
    state = detector.init(jax.random.key(0))
    evaluation = EvaluationConfig(**config)
    return report_clips(detector, state, source, class_map, policy, evaluation, "test clips")


@pytest.fixture(scope="module")
def simulated(prepared: Any) -> ClipSource:
    """Test clips of one second, in an order that is not that of the dataset."""
    data_dir = prepared("dcase2020", ["fan", "valve"])
    clips = select_clips(all_clips("dcase2020", data_dir), ["dev"], "test", [])
    order = np.random.default_rng(0).permutation(len(clips))
    return ClipSource("dcase2020", data_dir, [clips[index] for index in order])


@pytest.fixture(scope="module")
def class_map(simulated: ClipSource) -> ClassMap:
    return ClassMap.fit(simulated.clips, ["machine_type", "section"])


def windows(waveform: np.ndarray) -> list[np.ndarray]:
    """A clip of one second: two whole windows, and one that ends with it."""
    assert len(waveform) == RATE
    scaled = waveform.astype(np.float32) / 32768
    return [scaled[start : start + 6000] for start in (0, 6000, 10000)]


@pytest.mark.parametrize(("pooling", "pool"), [("mean", np.mean), ("max", np.max)])
@pytest.mark.parametrize("batch_size", [5, 48, 100])
def test_windows_are_pooled_as_a_loop_would(
    simulated: ClipSource,
    class_map: ClassMap,
    pooling: str,
    pool: Callable[..., Any],
    batch_size: int,
) -> None:
    """Rows that fill the last batch up count for nothing, and the source's order is kept."""
    reports = report(simulated, class_map, POLICY, batch_size=batch_size, pooling=pooling)
    clips = [windows(simulated[index]) for index in range(len(simulated))]
    peaks = [pool([2 * np.abs(window).max() for window in clip]) for clip in clips]
    np.testing.assert_allclose(reports["peak"], peaks, rtol=1e-6)
    assert len(set(peaks)) == len(simulated)
    extremes = [np.mean([[w.min(), w.max()] for w in clip], axis=0) for clip in clips]
    np.testing.assert_allclose(reports["embedding"], extremes, rtol=1e-5)
    power = [[np.mean(np.square(window, dtype=np.float64)) for window in clip] for clip in clips]
    np.testing.assert_allclose(
        reports["loudness"], np.mean(10 * np.log10(power), axis=1), atol=1e-3
    )


def test_a_window_is_compared_with_its_own_clips_classes(
    simulated: ClipSource, class_map: ClassMap
) -> None:
    reports = report(simulated, class_map, POLICY, batch_size=7)
    expected = [1 + class_map.class_id(clip) for clip in simulated.clips]
    np.testing.assert_array_equal(reports["candidates"], expected)
    by_type = ClassMap.fit(simulated.clips, ["machine_type"])
    expected = [1 + ["fan", "valve"].index(clip.machine_type) for clip in simulated.clips]
    np.testing.assert_array_equal(
        report(simulated, by_type, POLICY, batch_size=7)["candidates"], expected
    )


def test_the_head_alone_is_one_window(simulated: ClipSource, class_map: ClassMap) -> None:
    reports = report(simulated, class_map, WindowPolicy(samples=6000), batch_size=8)
    heads = [windows(simulated[index])[0] for index in range(len(simulated))]
    np.testing.assert_allclose(reports["peak"], [2 * np.abs(head).max() for head in heads])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> ClipSource:
    """Clips of known power: a sine at half of full scale, a square wave, silence."""
    folder = tmp_path_factory.mktemp("known")
    time = np.arange(RATE) / RATE
    sine = np.round(16384 * np.sin(2 * np.pi * 100 * time)).astype(np.int16)
    square = np.where(sine >= 0, 32767, -32767).astype(np.int16)
    names = [f"{name}_id_00_00000000" for name in ("train/normal", "test/normal", "test/anomaly")]
    with zipfile.ZipFile(folder / "dev_data_fan.zip", "w") as archive:
        for name, waveform in zip(names, (sine, square, np.zeros_like(sine)), strict=True):
            wav = io.BytesIO()
            soundfile.write(wav, waveform, RATE, format="WAV", subtype="PCM_16")
            archive.writestr(f"fan/{name}.wav", wav.getvalue())
    tfds_dcase.prepare("dcase2020", folder, folder)
    clips = {clip.clip_id: clip for clip in all_clips("dcase2020", str(folder))}
    ordered = [clips[f"dcase2020/dev/fan/{name}.wav"] for name in names]
    return ClipSource("dcase2020", str(folder), ordered)


def test_loudness_is_in_decibels_of_full_scale(known: ClipSource) -> None:
    """A sine of half scale: -9.03 dB; a full-scale square wave: 0 dB; silence stays finite."""
    class_map = ClassMap.fit(known.clips, ["machine_type"])
    reports = report(known, class_map, WindowPolicy(samples=16000), batch_size=2)
    np.testing.assert_allclose(reports["loudness"], [-9.031, 0.0, -130.0], atol=1e-3)


def test_an_unknown_machine_type_is_an_error(known: ClipSource, simulated: ClipSource) -> None:
    class_map = ClassMap.fit(known.clips, ["machine_type"])
    with pytest.raises(ValueError, match="the model was not trained on valve but on fan: choose"):
        report(simulated, class_map, POLICY)
