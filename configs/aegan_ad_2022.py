"""AEGAN-AD on DCASE 2022 as published (arXiv 2303.17949): one model for each machine type, 60 epochs.

These settings are those that the authors publish for sliders, and for ToyTrain and valve, of which they give no
result. Beside this file are those of bearing, of fan, of gearbox and of ToyCar. As for 2020, the score of the authors'
table is fixed (they choose it on test labels) and the last epoch is kept.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.aegan_ad import AEGANADConfig


def get_config() -> Experiment:
    """Features are matched with a tenth of the weight of 2020."""
    return Experiment(
        name="aegan_ad_2022",
        detector=AEGANADConfig(mean_weight=0.1),
        data=DataConfig(
            dataset="dcase2022",
            expects="official",
            machine_types=("slider", "ToyTrain", "valve"),
            one_model_per="machine_type",
        ),
        training=TrainingConfig(epochs=60, batch_size=64),
        evaluation=EvaluationConfig(score="D_lof", batch_size=16),
    )
