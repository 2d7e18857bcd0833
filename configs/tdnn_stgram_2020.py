"""TDNN-STgram on DCASE 2020 as in the STgram collection: the development clips' 23 classes, 30 epochs, batch 64.

One model for all machine types. The scale and margin are those that the collection's code really uses.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.tdnn_stgram import TDNNSTgramConfig


def get_config() -> Experiment:
    """The collection's recipe without augmentation; every default of the detector is its value."""
    return Experiment(
        name="tdnn_stgram_2020",
        detector=TDNNSTgramConfig(learning_rate=1e-3, hold_epochs=15),
        data=DataConfig(dataset="dcase2020", expects="official"),
        training=TrainingConfig(epochs=30, batch_size=64),
        evaluation=EvaluationConfig(score="nll_margin"),
    )
