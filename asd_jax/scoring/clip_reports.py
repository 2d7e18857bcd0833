"""A detector's reports of windows, pooled to one report a clip."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from tfds_dcase import ClipInfo
from tfds_dcase.bars import progress_bar

from asd_jax.config import EvaluationConfig
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import ClipSource
from asd_jax.data.pipeline import evaluation_batches, evaluation_windows
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, TrainState
from asd_jax.features.logmel import waveform_from_int16
from asd_jax.training.mesh import data_mesh, replicated, split_batch

LOUDNESS = "loudness"
Reports = dict[str, np.ndarray]


class WindowReporter:
    """A trained detector on this process's devices, ready for batches of windows.

    Args:
        detector: what reports.
        state: its trained state.
        batch_size: windows a batch; rounded up to a multiple of the devices.

    Attributes:
        batch_size: a multiple of the devices.
    """

    batch_size: int

    def __init__(self, detector: Detector, state: TrainState, batch_size: int):
        self._detector = detector
        # Devices of other processes have other clips: this process's batches go to its own devices only.
        self._mesh = data_mesh(jax.local_devices())
        self.batch_size = self.whole_batch(batch_size)
        self._state = jax.device_put(
            jax.tree.map(lambda leaf: leaf.addressable_data(0), state), replicated(self._mesh)
        )

    def whole_batch(self, windows: int) -> int:
        """The smallest batch for so many windows that the devices can share."""
        return -(-windows // self._mesh.size) * self._mesh.size

    def __call__(self, waveform: np.ndarray, candidates: np.ndarray) -> Reports:
        """Reports `[batch, ...]` of windows.

        Args:
            waveform: int16 `[batch, samples]`.
            candidates: classes that each window may truly have, bool `[batch, classes]`.
        """
        inputs = {"waveform": waveform, "candidates": candidates}
        return jax.device_get(_report(self._detector, self._state, split_batch(self._mesh, inputs)))

    def claimed(self, score: str, waveform: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """One of the detector's scores under several claims of what a window is, `[batch, claims]`.

        The network hears the windows once, whatever the number of claims.

        Args:
            score: its name.
            waveform: int16 `[batch, samples]`.
            candidates: each claim's classes, bool `[batch, claims, classes]`.
        """
        inputs = split_batch(self._mesh, {"waveform": waveform, "candidates": candidates})
        return jax.device_get(_claimed(self._detector, score, self._state, inputs))


def report_clips(
    detector: Detector,
    state: TrainState,
    source: ClipSource,
    class_map: ClassMap,
    policy: WindowPolicy,
    config: EvaluationConfig,
    title: str,
) -> Reports:
    """Hears every window of every clip and pools the reports.

    Every process hears its share of the clips; all of them return all reports.

    Args:
        detector: what reports.
        state: its trained state.
        source: clips to hear.
        class_map: tells which classes a clip may truly have.
        policy: the clips' windows.
        config: batch size and pooling.
        title: shown beside the progress bar.

    Returns:
        The detector's scores and `loudness` (mean power in dB of full scale) as `[clips]`, pooled as the configuration
        says; other reports such as `embedding` as `[clips, features]`, the mean over windows.
    """
    reporter = WindowReporter(detector, state, config.batch_size)
    candidates = _candidates(class_map, source.clips)
    # A process beyond the last clip hears the first one again, which the gathering drops.
    mine = range(jax.process_index(), len(source), jax.process_count()) or range(1)
    windows = evaluation_windows(source, mine, policy)
    batches = evaluation_batches(source, windows, policy, reporter.batch_size)
    clips, rows = [], []
    with progress_bar(total=len(windows), unit="window", desc=title) as bar:
        for batch in batches:
            reports = reporter(batch["waveform"], candidates[batch["clip"]])
            heard = batch["mask"]
            rows.append({name: values[heard] for name, values in reports.items()})
            clips.append(batch["clip"][heard])
            bar.update(int(heard.sum()))
    heard_windows = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    first_windows = np.flatnonzero(np.diff(np.concatenate(clips))) + 1
    pooled = _pool(heard_windows, first_windows, detector.score_names, config.pooling)
    return _gather(pooled, len(source))


def _candidates(class_map: ClassMap, clips: Sequence[ClipInfo]) -> np.ndarray:
    """Classes that every clip may truly have, `[clips, classes]`; equal within a section."""
    by_section = {(clip.machine_type, clip.section): clip for clip in clips}
    masks = {section: class_map.candidates(clip) for section, clip in by_section.items()}
    return np.stack([masks[clip.machine_type, clip.section] for clip in clips])


@functools.partial(jax.jit, static_argnums=0)
def _report(detector: Detector, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
    power = jnp.mean(jnp.square(waveform_from_int16(batch["waveform"])), axis=1)
    # A hundredth of a 16-bit step keeps digital silence finite.
    loudness = 10 * jnp.log10(jnp.maximum(power, 1e-13))
    return detector.report(state, batch) | {LOUDNESS: loudness}


@functools.partial(jax.jit, static_argnums=(0, 1))
def _claimed(detector: Detector, score: str, state: TrainState, batch: Batch) -> jax.Array:
    def under(candidates: jax.Array) -> jax.Array:
        return detector.report(state, batch | {"candidates": candidates})[score]

    return jax.vmap(under, in_axes=1, out_axes=1)(batch["candidates"])


def _pool(
    windows: Reports, first_windows: np.ndarray, scores: Sequence[str], pooling: str
) -> Reports:
    """`[windows, ...]` to `[clips, ...]`: scores as configured, everything else as the mean.

    Windows come clip by clip; `first_windows` tells where every clip but the first begins.
    """
    pooled = {}
    for name, values in windows.items():
        how = pooling if name in scores else "mean"
        clips = np.split(values, first_windows)
        pooled[name] = np.stack([pool_windows(clip, how) for clip in clips])
    return pooled


def pool_windows(windows: np.ndarray, pooling: str) -> np.ndarray:
    """The "mean" or the "max" of one clip's windows: `[windows, ...]` to `[...]`."""
    return (np.max if pooling == "max" else np.mean)(windows, axis=0)


def _gather(pooled: Reports, clips: int) -> Reports:
    """Every process's clips, back in the order of the source."""
    processes = jax.process_count()
    if processes == 1:
        return pooled
    longest = -(-clips // processes)
    gathered = {}
    for name, values in pooled.items():
        padding = [(0, longest - len(values))] + [(0, 0)] * (values.ndim - 1)
        everyone = multihost_utils.process_allgather(np.pad(values, padding))
        gathered[name] = np.swapaxes(everyone, 0, 1).reshape(-1, *values.shape[1:])[:clips]
    return gathered
