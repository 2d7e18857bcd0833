"""Baseline of DCASE 2021 Task 2 (arXiv 2106.04492): the autoencoder of 2020 on sections and two domains.

Minibatches of 512 vectors as published, drawn from 128 clips at a time instead of from all clips.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig


def get_config() -> Experiment:
    """The published recipe."""
    return Experiment(
        name="autoencoder_2021",
        detector=DenseAutoencoderConfig.dcase2021(),
        data=DataConfig(dataset="dcase2021", expects="official", one_model_per="machine_type"),
        training=TrainingConfig(epochs=100, batch_size=128),
        evaluation=EvaluationConfig(score="mse"),
    )
