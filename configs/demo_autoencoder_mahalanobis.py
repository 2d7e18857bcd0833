"""The dense autoencoder of DCASE 2023 with its Mahalanobis score on simulated machines, for two CPU cores."""

import dataclasses

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig


def get_config() -> Experiment:
    """As `demo_autoencoder`, but measured by the covariance of the training errors."""
    return Experiment(
        name="demo_autoencoder_mahalanobis",
        detector=dataclasses.replace(DenseAutoencoderConfig.dcase2023(), excerpt_hop=2),
        data=DataConfig(
            dataset="dcase2020", data_dir="datasets/simulated", one_model_per="machine_type"
        ),
        training=TrainingConfig(epochs=8, batch_size=16, log_every=5),
        evaluation=EvaluationConfig(score="mahalanobis", batch_size=32, loudness=True),
    )
