"""The one training loop: any detector, on any number of devices, resumable at every checkpoint."""

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.sharding import Mesh
from tfds_dcase_command.terminal import TERMINATED, ExpectedError

from asd_jax.config import TrainingConfig
from asd_jax.data.pipeline import HostBatch
from asd_jax.detectors.base import Batch, Detector, Metrics, TrainState
from asd_jax.training.announcement import say
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.interruption import Interruption, TrainingInterruptedError
from asd_jax.training.logs import TrainingLog, mean_rows
from asd_jax.training.mesh import data_mesh, replicated, split_batch, split_shapes
from asd_jax.training.work_directory import CHECKPOINTS, last_checkpoint


class NonFiniteLossError(ExpectedError, RuntimeError):
    """The loss or the gradient became NaN or infinite."""


class Training:
    """A detector's training in a folder of its own.

    Args:
        detector: what is trained.
        batches: endless training batches (this process's rows).
        clip_ids: of the training clips, by the batches' `clip`.
        steps_per_epoch: steps an epoch.
        config: length, checkpoints, seed.
        configuration: the whole experiment as JSON, kept in every checkpoint.
        directory: gets checkpoints, log and event files.
        observation: batches of all training clips, for a detector that observes them before the first step.
    """

    def __init__(
        self,
        detector: Detector,
        batches: grain.IterDataset,
        clip_ids: Sequence[str],
        steps_per_epoch: int,
        config: TrainingConfig,
        configuration: str,
        directory: Path,
        observation: grain.IterDataset | None = None,
    ):
        self._detector = detector
        self._batches = batches
        self._clip_ids = clip_ids
        self._steps_per_epoch = steps_per_epoch
        self._config = config
        self._configuration = configuration
        self._directory = directory
        self._observation = observation
        self._mesh = data_mesh()
        self._unread: list[tuple[int, np.ndarray, Metrics]] = []
        self._since = time.perf_counter()

    def run(self) -> TrainState:
        """Trains from the newest checkpoint, or from the start, to the last epoch.

        Raises:
            NonFiniteLossError: names the step and its clips; the last good checkpoint stays.
            TrainingInterruptedError: SIGTERM or Ctrl-C came; the step that it reached is saved.
        """
        total_steps = self._config.epochs * self._steps_per_epoch
        with contextlib.ExitStack() as stack:
            checkpoints = stack.enter_context(
                Checkpoints(
                    self._directory / CHECKPOINTS,
                    self._config.keep_checkpoints,
                    self._configuration,
                )
            )
            iterator = stack.enter_context(contextlib.closing(iter(self._batches)))
            if (checkpoints.latest_step() or 0) < total_steps:
                say(f"compiling model {self._directory.name} ... (the first step may take minutes)")
            state = self._start(checkpoints, iterator)
            first_step = int(state.step)
            interruption = stack.enter_context(_noted_signals())
            if first_step < total_steps:
                title = f"training {self._directory.name}"
                with TrainingLog(self._log_directory(), first_step, total_steps, title) as log:
                    steps = range(first_step, total_steps)
                    state = self._steps(state, iterator, checkpoints, log, steps, interruption)
            if interruption.status is not None:
                raise TrainingInterruptedError(
                    f"stopped when {self._directory} was trained: run the same command again to go on",
                    interruption.status,
                )
        return state

    def shapes(self, batch: dict[str, jax.ShapeDtypeStruct]) -> TrainState:
        """Shapes of the state: settings that do not fit together fail here, before anything is written.

        A step is traced as well, unless the training is over; that is not done again when it is compiled.

        Args:
            batch: shapes of a global batch.
        """
        compiled = _compiled(self._detector, self._mesh)
        state = jax.eval_shape(compiled.init, jax.random.key(self._config.seed))
        done = last_checkpoint(self._directory) or 0
        if done < self._config.epochs * self._steps_per_epoch:
            jax.eval_shape(compiled.train_step, state, split_shapes(self._mesh, batch))
        return state

    def _log_directory(self) -> Path:
        process = jax.process_index()
        return self._directory if process == 0 else self._directory / f"process_{process}"

    def _start(self, checkpoints: Checkpoints, iterator: grain.DatasetIterator) -> TrainState:
        key = jax.random.key(self._config.seed)
        if checkpoints.latest_step() is not None:
            shapes = jax.eval_shape(self._detector.init, key)
            return checkpoints.restore(shapes, self._mesh, iterator)
        state = _compiled(self._detector, self._mesh).init(key)
        if self._observation is None:
            return state
        return observe_clips(self._detector, state, self._observation, self._mesh)

    def _steps(
        self,
        state: TrainState,
        iterator: grain.DatasetIterator,
        checkpoints: Checkpoints,
        log: TrainingLog,
        steps: range,
        interruption: Interruption,
    ) -> TrainState:
        train_step = _compiled(self._detector, self._mesh).train_step
        checkpoint_every = self._config.checkpoint_every or self._steps_per_epoch
        self._since = time.perf_counter()
        log.say("compiling")
        for step in steps:
            batch = next(iterator)
            state, metrics = train_step(state, split_batch(self._mesh, _for_detector(batch)))
            self._unread.append((step + 1, batch["clip"], metrics))
            log.advance()
            is_last = step + 1 == steps.stop
            must_stop = interruption.status is not None or checkpoints.preempted(step + 1)
            save = is_last or must_stop or (step + 1) % checkpoint_every == 0
            if save or len(self._unread) >= self._config.log_every:
                self._read_metrics(log)
            if save:
                self._require_finite_state(step + 1, batch["clip"], state)
                checkpoints.save(state, iterator)
            if must_stop and not is_last:
                checkpoints.finish()
                raise TrainingInterruptedError(
                    f"stopped and saved at step {step + 1} of {steps.stop} ({self._directory}): "
                    "run the same command again to go on",
                    interruption.status or TERMINATED,
                )
        return state

    def _read_metrics(self, log: TrainingLog) -> None:
        """Waits for the steps since the last call, checks that they are finite and logs their means.

        Reading once in a while instead of every step lets the host run ahead of an accelerator.
        """
        numbers = jax.device_get([metrics for _, _, metrics in self._unread])
        for (step, clips, _), values in zip(self._unread, numbers, strict=True):
            self._require_finite(step, clips, values)
        last_step = self._unread[-1][0]
        seconds = time.perf_counter() - self._since
        clips_seen = self._config.batch_size * len(self._unread)
        log.write(
            {"step": last_step, "epoch": last_step / self._steps_per_epoch}
            | mean_rows(numbers)
            | {"clips_per_second": clips_seen / seconds}
        )
        self._unread = []
        self._since = time.perf_counter()

    def _require_finite(self, step: int, clips: np.ndarray, values: dict[str, np.ndarray]) -> None:
        wrong = sorted(name for name, value in values.items() if not np.isfinite(value))
        if wrong:
            raise self._not_finite(", ".join(wrong), step, clips)

    def _require_finite_state(self, step: int, clips: np.ndarray, state: TrainState) -> None:
        # A step whose loss was finite may still have overflowed what it updated: such a state must not be saved.
        if not _all_finite((state.params, state.statistics)):
            raise self._not_finite("parameters or statistics", step, clips)

    def _not_finite(self, what: str, step: int, clips: np.ndarray) -> NonFiniteLossError:
        names = ", ".join(self._clip_ids[clip] for clip in clips)
        return NonFiniteLossError(
            f"{what} not finite at step {step}. The last checkpoint before it is kept in "
            f"{self._directory / CHECKPOINTS}. Lower the learning rate, or look at the clips of the batch: {names}"
        )


def _noted_signals() -> Interruption:
    """Of several processes JAX's own service takes note of SIGTERM, so that all stop at the same step."""
    return Interruption(()) if jax.process_count() > 1 else Interruption()


def observe_clips(
    detector: Detector, state: TrainState, observation: grain.IterDataset, mesh: Mesh
) -> TrainState:
    """The state after the detector has heard all training clips, before its first step.

    Args:
        detector: one that observes training data.
        state: new, on every device of the mesh.
        observation: batches of all training clips (this process's rows).
        mesh: all devices.
    """
    logging.info("observing the training clips")
    observe = _compiled(detector, mesh).observe
    with contextlib.closing(iter(observation)) as batches:
        for batch in batches:
            state = observe(state, split_batch(mesh, _for_detector(batch)))
    return state


class _Compiled(NamedTuple):
    """A detector's methods on all devices of a mesh; the state that goes in is used up."""

    init: Callable[[jax.Array], TrainState]
    observe: Callable[[TrainState, Batch], TrainState]
    train_step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


@functools.lru_cache(maxsize=4)
def _compiled(detector: Detector, mesh: Mesh) -> _Compiled:
    """What is compiled for one model serves the next one with the same detector."""
    everywhere = replicated(mesh)
    return _Compiled(
        jax.jit(detector.init, out_shardings=everywhere),
        jax.jit(detector.observe, donate_argnums=0, out_shardings=everywhere),
        jax.jit(detector.train_step, donate_argnums=0, out_shardings=everywhere),
    )


@jax.jit
def _all_finite(values: Any) -> jax.Array:
    floats = [leaf for leaf in jax.tree.leaves(values) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in floats]))


def _for_detector(batch: HostBatch) -> HostBatch:
    """Without the clips' positions, which only messages need."""
    return {name: values for name, values in batch.items() if name != "clip"}
