"""Baseline of DCASE 2023 Task 2 (arXiv 2303.00455) in its simple mode: the score is the mean squared error.

Minibatches of 256 vectors as published, drawn from 128 clips at a time instead of from all clips.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig


def get_config() -> Experiment:
    """The published recipe."""
    return Experiment(
        name="autoencoder_2023",
        detector=DenseAutoencoderConfig.dcase2023(),
        data=DataConfig(dataset="dcase2023", expects="official", one_model_per="machine_type"),
        training=TrainingConfig(epochs=100, batch_size=128),
        evaluation=EvaluationConfig(score="mse"),
    )
