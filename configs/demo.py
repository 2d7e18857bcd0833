"""STgram-MFN on simulated machines, small enough for two CPU cores: a tour of the whole flow."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.stgram_mfn import STgramMFNConfig


def get_config() -> Experiment:
    """The paper's network, heard in two-second windows."""
    return Experiment(
        name="demo",
        detector=STgramMFNConfig(
            clip=WindowPolicy(samples=32000, training="random", evaluation="all"),
            learning_rate=1e-3,
            hold_epochs=4,
        ),
        data=DataConfig(dataset="dcase2020", data_dir="datasets/simulated"),
        training=TrainingConfig(epochs=12, batch_size=32, log_every=5),
        evaluation=EvaluationConfig(batch_size=32, threshold_clips=8, loudness=True),
    )
