"""Reconstruction-based spectrogram augmentation on DCASE 2020 as published (ICCC 2024): batch 64, one model for all.

40 epochs for the autoencoder, then 30 for the classifier on every batch and its reconstructions. Unlike the published
code, the log-mel is scaled alike in training and in test, and the test hears the same part of a clip every time.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.reconstruction_augmentation import ReconstructionAugmentationConfig


def get_config() -> Experiment:
    """The published recipe; `detector.augmentation` chooses among its three ablations."""
    return Experiment(
        name="reconstruction_augmentation_2020",
        detector=ReconstructionAugmentationConfig(
            augmentation="doubled+contrastive", autoencoder_epochs=40
        ),
        data=DataConfig(dataset="dcase2020", expects="official"),
        training=TrainingConfig(epochs=70, batch_size=64),
        evaluation=EvaluationConfig(score="nll_margin"),
    )
