"""The dense autoencoder with contrast on simulated machines: one small model a machine type."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.linear_autoencoder import LinearAutoencoderConfig


def get_config() -> Experiment:
    """The sections of a machine type are the classes that the contrast tells apart."""
    return Experiment(
        name="demo_linear_autoencoder",
        detector=LinearAutoencoderConfig(hold_epochs=8, half_period=12),
        data=DataConfig(
            dataset="dcase2020", data_dir="datasets/simulated", one_model_per="machine_type"
        ),
        training=TrainingConfig(epochs=20, batch_size=16, log_every=10),
        evaluation=EvaluationConfig(batch_size=16, threshold_clips=8, loudness=True),
    )
