"""MobileNetV2 on simulated machines, small enough for two CPU cores: one model of all machine types."""

from asd_jax.config import DataConfig, EvaluationConfig, Experiment, TrainingConfig
from asd_jax.detectors.mobilenetv2 import MobileNetV2Config


def get_config() -> Experiment:
    """The published network; a quick rate, and running statistics that settle within a short training."""
    return Experiment(
        name="demo_mobilenetv2",
        detector=MobileNetV2Config(excerpts_per_clip=8, momentum=0.02, learning_rate=1e-3),
        data=DataConfig(dataset="dcase2020", data_dir="datasets/simulated"),
        training=TrainingConfig(epochs=10, batch_size=32, log_every=5),
        evaluation=EvaluationConfig(batch_size=32, threshold_clips=8, loudness=True),
    )
