"""STgram-MFN on DCASE 2020 as published (arXiv 2201.05510): 41 classes, 300 epochs, batch 128.

One model for all machine types, trained on the development and the additional training clips; the development test
clips give the paper's table. Unlike the published code, the last epoch is kept, not the best on the test labels.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.stgram_mfn import STgramMFNConfig


def get_config() -> Experiment:
    """The paper's recipe; every default of the detector is the published value."""
    return Experiment(
        name="stgram_mfn_2020",
        detector=STgramMFNConfig(margin=0.7, scale=30.0, learning_rate=1e-4, hold_epochs=20),
        data=DataConfig(dataset="dcase2020", expects="official", train_stages=("dev", "eval")),
        training=TrainingConfig(epochs=300, batch_size=128),
        evaluation=EvaluationConfig(score="nll_margin"),
    )
