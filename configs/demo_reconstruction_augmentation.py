"""Reconstruction-based augmentation on simulated machines, small enough for two CPU cores: both stages."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.reconstruction_augmentation import ReconstructionAugmentationConfig


def get_config() -> Experiment:
    """Six epochs for the autoencoder, twelve for the classifier; small networks, two-second windows of 64 frames.

    So few steps ask for higher rates, for levels that fill the range from -1 to 1, and for an autoencoder that cares
    for the spectrogram more than for the class.
    """
    return Experiment(
        name="demo_reconstruction_augmentation",
        detector=ReconstructionAugmentationConfig(
            clip=WindowPolicy(samples=32256, training="random", evaluation="all"),
            width=32,
            stages=((2, 64, 1, 2), (2, 64, 1, 2), (4, 64, 1, 2)),
            head_channels=128,
            level_unit=100.0,
            class_weight=0.01,
            learning_rate=3e-3,
            hold_epochs=4,
            half_period=8,
            autoencoder_epochs=6,
            autoencoder_rate=2e-3,
            autoencoder_channels=(16, 32, 64),
            latent=128,
        ),
        data=DataConfig(dataset="dcase2020", data_dir="datasets/simulated"),
        training=TrainingConfig(epochs=18, batch_size=32, log_every=5),
        evaluation=EvaluationConfig(batch_size=32, threshold_clips=8, loudness=True),
    )
