"""Anomaly Transformer on simulated machines, small enough for two CPU cores.

The temperature is that of the paper's equation 8: an anomalous machine sounds wrong for many frames, and at the
published code's 50 one or two frames of an excerpt decide alone.
"""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.anomaly_transformer import AnomalyTransformerConfig


def get_config() -> Experiment:
    """A narrow network, one model a machine type."""
    return Experiment(
        name="demo_anomaly_transformer",
        detector=AnomalyTransformerConfig(
            width=64,
            heads=4,
            feed_forward=64,
            layers=3,
            temperature=1.0,
            learning_rate=1e-3,
            minibatch=16,
        ),
        data=DataConfig(
            dataset="dcase2020", data_dir="datasets/simulated", one_model_per="machine_type"
        ),
        training=TrainingConfig(epochs=12, batch_size=16, log_every=10),
        evaluation=EvaluationConfig(batch_size=32, loudness=True),
    )
