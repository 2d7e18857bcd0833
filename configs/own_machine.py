"""A folder of normal sounds of your own machine, no labels: the recipe that found most in a comparison of them.

The dense autoencoder of the DCASE 2023 baseline with its Mahalanobis score, on every second vector of frames; all
training normals give the threshold. `python -m benchmarks.own_machine` repeats the comparison on simulated machines;
`benchmarks/README.md` has its table. A model for each machine type; 20 to 500 recordings are what it is meant for.
"""

import dataclasses

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig


def get_config() -> Experiment:
    """Ten seconds a window; longer recordings are heard all over, shorter ones are repeated."""
    return Experiment(
        name="own_machine",
        detector=dataclasses.replace(
            DenseAutoencoderConfig.dcase2023(),
            clip=WindowPolicy(samples=160000, training="random", evaluation="all"),
            excerpt_hop=2,
        ),
        data=DataConfig(dataset="folder", one_model_per="machine_type"),
        training=TrainingConfig(epochs=60, batch_size=16, log_every=10),
        evaluation=EvaluationConfig(score="mahalanobis", batch_size=32, loudness=True),
    )
