"""The far microphone hears the same scene from farther away: later, fainter, in more noise."""

from __future__ import annotations

import io
import wave
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from asd_jax.simulation import SimulationSize, simulate
from asd_jax.simulation.machine import sound
from asd_jax.simulation.operations import conditions
from asd_jax.simulation.room import FarMicrophone, far_microphone
from asd_jax.simulation.scene import Unit, clip, stream, unit

SECOND = 16_000
TYPES = ("ToyCar", "bearingEmu", "valveEmu")


def record(where: Unit, machine_type: str, snr_db: float) -> np.ndarray:
    """A normal clip of two seconds, `[channels, samples]`."""
    condition = conditions(2026, machine_type, "source")[0]
    heard = clip(where, condition, False, 0, 2 * SECOND, snr_db, stream("two", machine_type))
    return heard.astype(np.float64)


def level(signal: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(signal))))


@pytest.fixture
def dry() -> FarMicrophone:
    """Two microphones outdoors, 1.2 m apart, with as much noise at one as at the other."""
    silence = np.zeros(SECOND // 2, np.float32)
    return FarMicrophone(0.5, 1.7, 1.0, 0.0, 0.0, silence)


@pytest.mark.parametrize("machine_type", TYPES)
def test_the_near_channel_is_louder_in_the_machines_band(machine_type: str):
    where = unit(0, 2026, machine_type, 0, 0, channels=2)
    near, far = record(where, machine_type, snr_db=3.0)
    frequencies, machine = scipy.signal.welch(
        sound(where.machine, 2 * SECOND, stream("own")), SECOND, nperseg=1024
    )
    _, near_power = scipy.signal.welch(near, SECOND, nperseg=1024)
    _, far_power = scipy.signal.welch(far, SECOND, nperseg=1024)
    # Where the machine is loudest beyond the hum of the hall.
    band = (frequencies > 500) & (machine > np.quantile(machine[frequencies > 500], 0.9))
    assert 10 * np.log10(near_power[band].sum() / far_power[band].sum()) > 3.0


@pytest.mark.parametrize("machine_type", TYPES)
def test_the_far_channel_holds_less_machine_and_more_background(machine_type: str):
    where = unit(0, 2026, machine_type, 0, 0, channels=2)
    near, far = record(where, machine_type, snr_db=60.0)
    assert 4.0 < level(near) - level(far) < 25.0
    near, far = record(where, machine_type, snr_db=-60.0)
    assert -6.0 < level(near) - level(far) < 0.5


def test_both_channels_hear_the_same_background():
    where = unit(0, 2026, "fan", 0, 0, channels=2)
    near, far = record(where, "fan", snr_db=-60.0)
    assert where.far is not None
    together = np.corrcoef(near, np.roll(far, round(where.far.lead * SECOND)))[0, 1]
    assert together > 0.4


def test_the_machine_reaches_the_far_microphone_later_and_fainter(dry: FarMicrophone):
    click = np.zeros(SECOND, np.float32)
    click[4000] = 1.0
    heard = dry.hear(click, np.zeros_like(click))
    assert np.argmax(heard) == 4000 + round(1.2 / 343.0 * SECOND)
    # A distance of 3.4 times the near one.
    assert np.linalg.norm(heard) == pytest.approx(0.5 / 1.7, rel=1e-3)


def test_the_halls_reverberation_outlasts_the_direct_sound():
    place = far_microphone(stream("hall"))
    click = np.zeros(SECOND, np.float32)
    click[4000] = 1.0
    heard = place.hear(click, np.zeros_like(click))
    arrival = 4000 + int(place.delay * SECOND)
    early, late = heard[arrival : arrival + 800], heard[arrival + 800 : arrival + 1600]
    assert level(heard[: arrival - 40]) < level(late) < level(early)


def test_microphones_stand_where_delays_are_a_few_milliseconds():
    for index in range(20):
        place = far_microphone(stream("place", index))
        assert 0.001 < place.delay < 0.008
        assert abs(place.lead) <= place.delay
        assert len(place.reverberation) < SECOND


def test_a_second_microphone_leaves_the_near_channel_as_it_is():
    where = unit(0, 2026, "gearboxEmu", 0, 0, channels=2)
    alone = record(replace(where, far=None), "gearboxEmu", snr_db=3.0)
    assert alone.shape == (1, 2 * SECOND)
    np.testing.assert_array_equal(record(where, "gearboxEmu", snr_db=3.0)[0], alone[0])


def test_the_left_channel_of_the_files_is_the_near_one(tmp_path: Path):
    size = SimulationSize(train=2, test_normal=1, test_anomaly=1)
    (path,) = simulate("dcase2026", tmp_path, size, ("sliderEmu",), seconds=1.0, snr_db=40.0)
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".wav"):
                with wave.open(io.BytesIO(archive.read(name))) as file:
                    samples = np.frombuffer(file.readframes(SECOND), "<i2").reshape(-1, 2)
                left, right = samples.astype(np.float64).T
                assert level(left) > level(right) + 4.0
