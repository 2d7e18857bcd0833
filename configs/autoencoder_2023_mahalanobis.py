"""Baseline of DCASE 2023 Task 2 (arXiv 2303.00455) in its selective Mahalanobis mode.

Errors are measured by the covariance of the source's or the target's errors, whichever is nearer. Trained as
`autoencoder_2023`; `--set evaluation.score=mahalanobis_nttcslab` gives the published code's literal score.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig


def get_config() -> Experiment:
    """The published recipe."""
    return Experiment(
        name="autoencoder_2023_mahalanobis",
        detector=DenseAutoencoderConfig.dcase2023(),
        data=DataConfig(dataset="dcase2023", expects="official", one_model_per="machine_type"),
        training=TrainingConfig(epochs=100, batch_size=128),
        evaluation=EvaluationConfig(score="mahalanobis"),
    )
