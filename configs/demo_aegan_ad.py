"""AEGAN-AD on simulated machines, narrow enough for two CPU cores: one model for each machine type."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.aegan_ad import AEGANADConfig


def get_config() -> Experiment:
    """The paper's networks with a quarter of their channels, on few excerpts of every clip."""
    return Experiment(
        name="demo_aegan_ad",
        detector=AEGANADConfig(
            encoder_channels=8,
            decoder_channels=8,
            latent=64,
            generator_rate=1e-3,
            discriminator_rate=1e-3,
            excerpts_per_clip=3,
            excerpt_hop_test=37,
            minibatch=32,
        ),
        data=DataConfig(
            dataset="dcase2020", data_dir="datasets/simulated", one_model_per="machine_type"
        ),
        training=TrainingConfig(epochs=7, batch_size=32, log_every=5),
        evaluation=EvaluationConfig(score="D_knn", batch_size=32, threshold_clips=8, loudness=True),
    )
