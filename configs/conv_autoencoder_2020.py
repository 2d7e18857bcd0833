"""The convolutional autoencoder with a class head on DCASE 2020: the STgram collection's first stage on its own.

One model for all machine types, the development clips' 23 classes, 40 epochs, batch 64.
"""

from asd_jax.config import DataConfig, Experiment, TrainingConfig
from asd_jax.detectors.conv_autoencoder import ConvAutoencoderConfig


def get_config() -> Experiment:
    """Every default of the detector is the collection's value."""
    return Experiment(
        name="conv_autoencoder_2020",
        detector=ConvAutoencoderConfig(learning_rate=1e-3, hold_epochs=15),
        data=DataConfig(dataset="dcase2020", expects="official"),
        training=TrainingConfig(epochs=40, batch_size=64),
    )
