"""The dense autoencoder of DCASE 2020 on simulated machines, small enough for two CPU cores."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig


def get_config() -> Experiment:
    """A model a machine type; every second vector, minibatches of 256."""
    return Experiment(
        name="demo_autoencoder",
        detector=DenseAutoencoderConfig(excerpt_hop=2, minibatch=256),
        data=DataConfig(
            dataset="dcase2020", data_dir="datasets/simulated", one_model_per="machine_type"
        ),
        training=TrainingConfig(epochs=8, batch_size=16, log_every=5),
        evaluation=EvaluationConfig(batch_size=32, threshold_clips=8, loudness=True),
    )
