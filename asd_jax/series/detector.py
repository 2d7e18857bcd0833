"""The Anomaly Transformer on windows of a plain time series."""

import jax
import jax.numpy as jnp

from asd_jax.detectors.base import Batch, Detector, Metrics, TrainState
from asd_jax.detectors.minimax import MinimaxLearner
from asd_jax.series.experiment import SeriesDetectorConfig


class SeriesDetector(Detector):
    """Learns standardised windows: its batches hold `window` float32 `[batch, time, channels]`."""

    score_names = ("log_energy_max",)

    def __init__(self, config: SeriesDetectorConfig, channels: int, steps_per_epoch: int):
        self.learner = MinimaxLearner(config, channels, steps_per_epoch)

    def init(self, key: jax.Array) -> TrainState:
        return self.learner.init(key)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        state, metrics = self.learner.learn(state, batch["window"])
        return state.replace(step=state.step + 1), metrics

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        """Beside the window's score, the logarithm of every time step's energy, `log_energy` `[batch, time]`."""
        found, encoded = self.learner.evidence(state.params, batch["window"])
        return {
            "log_energy": found.log_energy,
            "log_energy_max": jnp.max(found.log_energy, axis=-1),
            "embedding": jnp.mean(encoded, axis=1),
        }
