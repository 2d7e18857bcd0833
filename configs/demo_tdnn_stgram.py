"""TDNN-STgram on simulated machines, small enough for two CPU cores."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.tdnn_stgram import TDNNSTgramConfig


def get_config() -> Experiment:
    """Half the channels of the image network, two-second windows of 64 frames."""
    return Experiment(
        name="demo_tdnn_stgram",
        detector=TDNNSTgramConfig(
            clip=WindowPolicy(samples=32256, training="random", evaluation="all"),
            width=32,
            stages=((2, 64, 1, 2), (2, 64, 2, 2), (4, 64, 2, 2)),
            head_channels=256,
            hold_epochs=4,
            half_period=8,
        ),
        data=DataConfig(dataset="dcase2020", data_dir="datasets/simulated"),
        training=TrainingConfig(epochs=12, batch_size=32, log_every=5),
        evaluation=EvaluationConfig(batch_size=32, threshold_clips=8, loudness=True),
    )
