"""The experiment that goes with the detector beside this file."""

from mean_spectrum import MeanSpectrumConfig

from asd_jax.config import EvaluationConfig, Experiment, TrainingConfig


def get_config() -> Experiment:
    """Seconds on anything."""
    return Experiment(
        "mean_spectrum",
        MeanSpectrumConfig(),
        training=TrainingConfig(epochs=4, batch_size=4, log_every=1, checkpoint_every=20),
        evaluation=EvaluationConfig(batch_size=8),
    )
