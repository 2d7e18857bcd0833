"""Anomaly Transformer on plain time series as published (arXiv 2110.02642): SMD's settings.

Ten epochs of batches of 32 windows of 100 time steps. For MSL, SMAP and PSM the paper takes scoring.anomaly_ratio=1.
Unlike the published code, the last epoch counts, not the best on the test series, and the threshold comes from the
training energies alone (scoring.thuml_threshold=true brings back the published one).
"""

from asd_jax.config import TrainingConfig
from asd_jax.series.experiment import SeriesExperiment, SeriesScoringConfig


def get_config() -> SeriesExperiment:
    """The paper's recipe; every default of the detector is the published value."""
    return SeriesExperiment(
        name="anomaly_transformer_series",
        training=TrainingConfig(epochs=10, batch_size=32),
        scoring=SeriesScoringConfig(anomaly_ratio=0.5),
    )
