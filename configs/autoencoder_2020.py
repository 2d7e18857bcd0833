"""Baseline of DCASE 2020 Task 2 (arXiv 2006.05822): a dense autoencoder a machine type, 100 epochs, mean squared error.

Minibatches of 512 vectors as published, drawn from 128 clips at a time instead of from all clips. The published code
holds 10 % of the vectors back for a validation loss that decides nothing; here all are learned from.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig


def get_config() -> Experiment:
    """The published recipe; every default of the detector is the published value."""
    return Experiment(
        name="autoencoder_2020",
        detector=DenseAutoencoderConfig(),
        data=DataConfig(dataset="dcase2020", expects="official", one_model_per="machine_type"),
        training=TrainingConfig(epochs=100, batch_size=128),
        evaluation=EvaluationConfig(score="mse"),
    )
