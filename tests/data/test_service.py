"""The data service: batches for programs of all kinds, with what is known of their clips."""

import ast
import itertools
import subprocess
import sys
from collections.abc import Callable

import jax
import numpy as np
import pytest
import tfds_dcase

from asd_jax.data import DataService, WindowPolicy
from asd_jax.data.clips import ClipSource, all_clips
from asd_jax.simulation import SimulationSize, simulate

HALF = WindowPolicy(samples=8000, training="random", evaluation="all")


@pytest.fixture(scope="module")
def service(prepared: Callable[..., str]) -> DataService:
    size = SimulationSize(sections=2, train=5, test_normal=2, test_anomaly=2)
    data_dir = prepared("dcase2020", ["fan", "valve"], size=size)
    return DataService("dcase2020", data_dir, HALF, batch_size=4)


@pytest.fixture(scope="module")
def two_channels(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("two_channels")
    size = SimulationSize(sections=1, train=4, test_normal=1, test_anomaly=1)
    simulate("dcase2026", folder, size=size, machine_types=["fan"], seconds=1.0)
    tfds_dcase.prepare("dcase2026", folder, folder)
    return str(folder)


def test_training_batches_have_the_documented_entries(service: DataService) -> None:
    training = service.training()
    batch = next(iter(training.dataset))
    assert {name: (rows.dtype, rows.shape) for name, rows in batch.items()} == {
        "waveform": (np.int16, (4, 8000)),
        "clip": (np.int32, (4,)),
        "class_id": (np.int32, (4,)),
    }
    assert training.classes is not None
    for clip, class_id in zip(batch["clip"], batch["class_id"], strict=True):
        known = training.clips[clip]
        assert (known.machine_type, known.section) == training.classes.classes[class_id]
        assert known.label == "normal"


def test_every_window_comes_once_with_a_mask(service: DataService) -> None:
    """References are the training clips, evaluation the test clips; all their windows, in order."""
    for batches, part in ((service.reference(), "train"), (service.evaluation(), "test")):
        heard = np.concatenate([batch["clip"][batch["mask"]] for batch in batches.dataset])
        windows = [len(HALF.starts(clip.samples)) for clip in batches.clips]
        np.testing.assert_array_equal(heard, np.repeat(np.arange(len(windows)), windows))
        assert {clip.split.split("_")[1] for clip in batches.clips} == {part}


def test_machine_types_limit_what_is_heard(service: DataService) -> None:
    fans = DataService("dcase2020", service.data_dir, HALF, 4, ("fan",))
    assert {clip.machine_type for clip in fans.evaluation().clips} == {"fan"}


def test_processes_evaluate_their_own_clips(
    service: DataService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jax.process_count", lambda: 2)
    heard = []
    for process in range(2):
        monkeypatch.setattr("jax.process_index", lambda process=process: process)
        batches = service.evaluation().dataset
        heard.append({int(clip) for batch in batches for clip in batch["clip"][batch["mask"]]})
    assert heard == [set(range(0, 16, 2)), set(range(1, 16, 2))]


def test_batches_on_devices_are_the_hosts_and_resume(service: DataService) -> None:
    training = service.training()
    on_host = list(itertools.islice(training.dataset, 6))
    placed = iter(training.on_devices())
    for expected in on_host[:3]:
        batch = next(placed)
        assert all(isinstance(rows, jax.Array) for rows in batch.values())
        for name, rows in expected.items():
            np.testing.assert_array_equal(batch[name], rows)
    resumed = iter(service.training().on_devices())
    resumed.set_state(placed.get_state())
    np.testing.assert_array_equal(next(resumed)["waveform"], on_host[3]["waveform"])


def test_near_far_mean_and_all_channels(two_channels: str) -> None:
    clips = all_clips("dcase2026", two_channels)
    sources = {
        channel: ClipSource("dcase2026", two_channels, clips, channel)
        for channel in ("near", "far", "mean", "all")
    }
    whole = sources["all"][0]
    assert whole.shape == (clips[0].samples, 2)
    assert np.any(whole[:, 0] != whole[:, 1])
    np.testing.assert_array_equal(sources["near"][0], whole[:, 0])
    np.testing.assert_array_equal(sources["far"][0], whole[:, 1])
    assert sources["mean"][0].dtype == np.int16
    np.testing.assert_allclose(sources["mean"][0], whole.mean(axis=1), atol=0.5)
    policy = WindowPolicy(samples=17000, short="mirror")
    both = DataService("dcase2026", two_channels, policy, 3, channel="all")
    batch = next(iter(both.evaluation().dataset))
    assert batch["waveform"].shape == (3, 17000, 2)
    first = both.evaluation().clips[0]
    samples = ClipSource("dcase2026", two_channels, [first], "all")[0]
    np.testing.assert_array_equal(batch["waveform"][0, :16000], samples)
    np.testing.assert_array_equal(batch["waveform"][0, 16000:], samples[:-1001:-1])


def test_one_channel_has_no_far_one(service: DataService) -> None:
    clips = all_clips("dcase2020", service.data_dir)
    with pytest.raises(
        ValueError, match=r"has one channel, none is far: choose data\.channel=near"
    ):
        ClipSource("dcase2020", service.data_dir, clips, "far")


def test_importing_the_service_needs_no_detector() -> None:
    """Other programs read data with it: it must not pull in what trains."""
    program = (
        "import sys, asd_jax.data\n"
        "print({name.split('.')[1] for name in sys.modules if name.startswith('asd_jax.')})"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == {
        "data",
        "json_files",
        "ranges",
        "typed_values",
        "version",
    }
