"""AEGAN-AD on DCASE 2020 as published (arXiv 2303.17949): one model for each machine type, 50 epochs.

These settings are those that the authors publish for fans; beside this file are those of the types where theirs
differ (pump, slider, ToyCar, ToyConveyor, valve). The published table takes the best of 19 scores and the best epoch on
test labels; here the score of the authors' table is fixed and the last epoch is kept.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.aegan_ad import AEGANADConfig


def get_config() -> Experiment:
    """Every default of the detector is the published value."""
    return Experiment(
        name="aegan_ad_2020",
        detector=AEGANADConfig(),
        data=DataConfig(dataset="dcase2020", expects="official", one_model_per="machine_type"),
        training=TrainingConfig(epochs=50, batch_size=64),
        evaluation=EvaluationConfig(score="D_lof", batch_size=16),
    )
