"""Training and evaluation batches over a small prepared dataset of clips of two lengths."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfds_dcase
from tfds_dcase import ClipInfo

from asd_jax.data.clips import ClipSource, all_clips, select_clips
from asd_jax.data.pipeline import (
    evaluation_batches,
    evaluation_windows,
    observation_batches,
    training_batches,
)
from asd_jax.data.windows import WindowPolicy
from asd_jax.simulation import SimulationSize, simulate

RANDOM = WindowPolicy(samples=8000, training="random", evaluation="all")
BATCH = 4


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fans of one second, pumps of one and a half."""
    folder = tmp_path_factory.mktemp("prepared")
    size = SimulationSize(sections=2, train=5, test_normal=2, test_anomaly=2)
    for machine_type, seconds in (("fan", 1.0), ("pump", 1.5)):
        simulate("dcase2020", folder / "archives", size, [machine_type], seconds=seconds)
    tfds_dcase.prepare("dcase2020", folder / "archives", folder)
    return str(folder)


@pytest.fixture(scope="module")
def clips(data_dir: str) -> list[ClipInfo]:
    return all_clips("dcase2020", data_dir)


@pytest.fixture(scope="module")
def source(data_dir: str, clips: list[ClipInfo]) -> ClipSource:
    return ClipSource("dcase2020", data_dir, select_clips(clips, ["dev"], "train", []))


@pytest.fixture(scope="module")
def tests(data_dir: str, clips: list[ClipInfo]) -> ClipSource:
    return ClipSource("dcase2020", data_dir, select_clips(clips, ["dev"], "test", []))


def train(source: ClipSource, seed: int = 0, policy: WindowPolicy = RANDOM) -> Any:
    return iter(training_batches(source, list(range(len(source))), policy, BATCH, seed))


def take(iterator: Any, count: int) -> list[dict[str, np.ndarray]]:
    return list(itertools.islice(iterator, count))


def assert_same_batches(some: list[dict[str, np.ndarray]], others: list[Any]) -> None:
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_the_source_gives_the_record_of_each_clip(
    data_dir: str, clips: list[ClipInfo], source: ClipSource
) -> None:
    assert len(source) == 20
    assert {clip.machine_type for clip in source.clips} == {"fan", "pump"}
    builder = tfds_dcase.load("dcase2020", data_dir)
    for position in (0, 7, 19):
        clip, waveform = source.clips[position], source[position]
        assert waveform.dtype == np.int16
        assert len(waveform) == clip.samples
        original = builder.as_data_source(clip.split)[clip.position]
        np.testing.assert_array_equal(waveform, original["waveform"])


def test_selection_by_part_and_machine_type(clips: list[ClipInfo]) -> None:
    chosen = select_clips(clips, ["dev"], "test", ["pump"])
    assert {(clip.machine_type, clip.split) for clip in chosen} == {("pump", "dev_test_pump")}
    assert len(chosen) == 8
    assert select_clips(clips, ["dev", "eval"], "test", ["pump"]) == chosen


def test_selection_of_what_is_not_there_is_an_error_with_the_cure(clips: list[ClipInfo]) -> None:
    with pytest.raises(ValueError, match=r"types valve are not .* holds fan, pump: choose"):
        select_clips(clips, ["dev"], "train", ["fan", "valve"])
    with pytest.raises(ValueError, match=r"no train clips of stage eval for fan; .*dev_train_fan"):
        select_clips(clips, ["eval"], "train", ["fan"])


def test_an_unprepared_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(tfds_dcase.ArchiveError):
        all_clips("dcase2020", str(tmp_path))


def test_training_batches_hold_int16_crops_of_their_clips(source: ClipSource) -> None:
    for batch in take(train(source), 5):
        assert batch["waveform"].dtype == np.int16
        assert batch["waveform"].shape == (BATCH, 8000)
        assert batch["class_id"].dtype == batch["clip"].dtype == np.int32
        np.testing.assert_array_equal(batch["class_id"], batch["clip"])
        for window, clip in zip(batch["waveform"], batch["clip"], strict=True):
            whole = source[int(clip)].tobytes()
            assert whole.find(window.tobytes()) % 2 == 0


def test_an_epoch_hears_every_clip_once_and_the_next_in_another_order(source: ClipSource) -> None:
    order = np.concatenate([batch["clip"] for batch in take(train(source), 15)]).reshape(3, 20)
    for epoch in order:
        assert sorted(epoch) == list(range(20))
    assert len({tuple(epoch) for epoch in order}) == 3


def test_crops_differ_between_epochs(source: ClipSource) -> None:
    heard: dict[int, set[bytes]] = {}
    for batch in take(train(source), 20):
        for window, clip in zip(batch["waveform"], batch["clip"], strict=True):
            heard.setdefault(int(clip), set()).add(window.tobytes())
    assert all(len(windows) >= 3 for windows in heard.values())


def test_batches_depend_on_the_seed_alone(source: ClipSource) -> None:
    first = take(train(source, seed=3), 8)
    assert_same_batches(first, take(train(source, seed=3), 8))
    other = take(train(source, seed=4), 8)
    assert any(np.any(a["clip"] != b["clip"]) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("position", [0, 3, 5, 7])
def test_an_iterator_resumes_exactly(source: ClipSource, position: int) -> None:
    """Within an epoch, at its end, and after the state went through JSON, as it does in a checkpoint."""
    whole = take(train(source), 12)
    interrupted = train(source)
    take(interrupted, position)
    state = json.loads(json.dumps(interrupted.get_state()))
    take(interrupted, 2)
    resumed = train(source)
    resumed.set_state(state)
    assert_same_batches(take(resumed, 12 - position), whole[position:])


def test_short_clips_are_repeated_in_training(source: ClipSource) -> None:
    policy = WindowPolicy(samples=30000, training="random")
    for batch in take(train(source, policy=policy), 3):
        for window, clip in zip(batch["waveform"], batch["clip"], strict=True):
            repeated = np.resize(source[int(clip)], 30000)
            np.testing.assert_array_equal(window, repeated)


def test_evaluation_hears_every_window_once_in_order_with_a_masked_rest(tests: ClipSource) -> None:
    """Clips of both lengths: two windows of a fan, three of a pump; padded rows are marked."""
    windows = evaluation_windows(tests, range(len(tests)), RANDOM)
    count = {"fan": 2, "pump": 3}
    assert len(windows) == sum(count[clip.machine_type] for clip in tests.clips) == 40
    batches = list(evaluation_batches(tests, windows, RANDOM, 7))
    assert [batch["waveform"].shape for batch in batches] == [(7, 8000)] * 6
    mask = np.concatenate([batch["mask"] for batch in batches])
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, np.arange(42) < 40)
    clip = np.concatenate([batch["clip"] for batch in batches])[mask]
    np.testing.assert_array_equal(clip, [clip for clip, _ in windows])
    heard = np.concatenate([batch["waveform"] for batch in batches])[mask]
    for window, (position, start) in zip(heard, windows, strict=True):
        expected = tests[position][start : start + 8000]
        np.testing.assert_array_equal(window, expected)


def test_evaluation_of_some_clips_in_the_order_asked_for(tests: ClipSource) -> None:
    policy = WindowPolicy(samples=8000)
    windows = evaluation_windows(tests, [9, 2], policy)
    assert windows == [(9, 0), (2, 0)]
    (batch,) = evaluation_batches(tests, windows, policy, 4)
    np.testing.assert_array_equal(batch["clip"][batch["mask"]], [9, 2])
    np.testing.assert_array_equal(batch["mask"], [True, True, False, False])


def test_a_batch_that_is_full_needs_no_mask(tests: ClipSource) -> None:
    policy = WindowPolicy(samples=8000)
    windows = evaluation_windows(tests, range(8), policy)
    for batch in evaluation_batches(tests, windows, policy, 4):
        assert batch["mask"].all()


def test_more_processes_than_clips_is_an_error(
    source: ClipSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jax.process_count", lambda: 21)
    with pytest.raises(ValueError, match="20 training clips cannot be shared by 21 processes"):
        training_batches(source, range(20), RANDOM, BATCH, 0)


def test_processes_share_the_clips(source: ClipSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process hears its own clips; together they hear all."""
    monkeypatch.setattr("jax.process_count", lambda: 2)
    shares = []
    for process in range(2):
        monkeypatch.setattr("jax.process_index", lambda process=process: process)
        batches = iter(training_batches(source, range(20), RANDOM, 5, 0))
        shares.append({int(clip) for batch in take(batches, 2) for clip in batch["clip"]})
    assert [len(share) for share in shares] == [10, 10]
    assert shares[0] | shares[1] == set(range(20))


def test_observation_hears_every_part_of_every_clip(source: ClipSource) -> None:
    """All windows of a training that crops at random; whole batches, filled up with the first windows."""
    batches = list(observation_batches(source, RANDOM, 8))
    rows = [
        (int(clip), w.tobytes())
        for b in batches
        for clip, w in zip(b["clip"], b["waveform"], strict=True)
    ]
    windows = evaluation_windows(source, range(len(source)), RANDOM)
    expected = [(c, RANDOM.cut(source[c], start).tobytes()) for c, start in windows]
    assert [batch["waveform"].shape for batch in batches] == [(8, 8000)] * (-(-len(windows) // 8))
    assert rows[: len(expected)] == expected
    assert rows[len(expected) :] == expected[: len(rows) - len(expected)]
    assert all(batch.keys() == {"waveform", "clip"} for batch in batches)


def test_observation_of_heads_hears_heads(source: ClipSource) -> None:
    """A training that hears the start of every clip must not be scaled by what it never hears."""
    batches = list(observation_batches(source, WindowPolicy(samples=8000, evaluation="all"), 5))
    assert sum(len(batch["clip"]) for batch in batches) == len(source)


def test_processes_observe_equally_many_batches_and_everything(
    source: ClipSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jax.process_count", lambda: 3)
    heard: list[set[int]] = []
    counts = []
    for process in range(3):
        monkeypatch.setattr("jax.process_index", lambda process=process: process)
        batches = list(observation_batches(source, WindowPolicy(samples=8000), 2))
        counts.append(len(batches))
        heard.append({int(clip) for batch in batches for clip in batch["clip"]})
    assert len(set(counts)) == 1
    assert set.union(*heard) == set(range(len(source)))
