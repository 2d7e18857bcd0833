"""Anomaly Transformer (arXiv 2110.02642) on DCASE 2020: one model a machine type, network and objective as published.

The paper has no machine sound: steps of time are log-mel frames here, channels are mel bands. Training draws three
excerpts of 100 frames from every clip an epoch. The temperature is that of the paper's equation 8: an anomalous machine
sounds wrong for many frames, and at the published code's 50 one or two frames of an excerpt decide alone.
"""

from asd_jax.config import DataConfig, Experiment, TrainingConfig
from asd_jax.detectors.anomaly_transformer import AnomalyTransformerConfig


def get_config() -> Experiment:
    """The paper's network, Adam at 1e-4 in minibatches of 32 excerpts."""
    return Experiment(
        name="anomaly_transformer_2020",
        detector=AnomalyTransformerConfig(temperature=1.0),
        data=DataConfig(dataset="dcase2020", expects="official", one_model_per="machine_type"),
        training=TrainingConfig(epochs=50, batch_size=64),
    )
