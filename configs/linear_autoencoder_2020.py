"""The dense autoencoder with contrast on DCASE 2020: one model a machine type, whose sections are the classes.

Vectors of five frames of 128 mel bands, as the DCASE baselines; 64 clips a batch, 512 vectors an optimiser step.
"""

from asd_jax.config import DataConfig, Experiment, TrainingConfig
from asd_jax.detectors.linear_autoencoder import LinearAutoencoderConfig


def get_config() -> Experiment:
    """A plain autoencoder where `detector.contrast_weight` is 0."""
    return Experiment(
        name="linear_autoencoder_2020",
        detector=LinearAutoencoderConfig(n_frames=5, minibatch=512, contrast_weight=0.1),
        data=DataConfig(dataset="dcase2020", expects="official", one_model_per="machine_type"),
        training=TrainingConfig(epochs=30, batch_size=64),
    )
