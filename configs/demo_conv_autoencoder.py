"""The convolutional autoencoder with a class head on simulated machines, small enough for two CPU cores."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.conv_autoencoder import ConvAutoencoderConfig


def get_config() -> Experiment:
    """Half the channels, two-second windows of 64 frames, scored by the class head."""
    return Experiment(
        name="demo_conv_autoencoder",
        detector=ConvAutoencoderConfig(
            clip=WindowPolicy(samples=32256, training="random", evaluation="all"),
            channels=(16, 32, 64),
            latent=128,
            hold_epochs=10,
            half_period=20,
        ),
        data=DataConfig(dataset="dcase2020", data_dir="datasets/simulated"),
        training=TrainingConfig(epochs=30, batch_size=32, log_every=15),
        evaluation=EvaluationConfig(
            batch_size=32, score="nll_margin", threshold_clips=8, loudness=True
        ),
    )
