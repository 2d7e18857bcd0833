"""AEGAN-AD on the sliders of DCASE 2020 as published: batch normalisation in the generator."""

import dataclasses

from aegan_ad_2020 import get_config as common_config

from asd_jax.config import Experiment


def get_config() -> Experiment:
    """Trained on development and additional clips."""
    common = common_config()
    return dataclasses.replace(
        common,
        name="aegan_ad_2020_slider",
        detector=dataclasses.replace(common.detector, generator_norm="batch"),
        data=dataclasses.replace(
            common.data, machine_types=("slider",), train_stages=("dev", "eval")
        ),
        evaluation=dataclasses.replace(common.evaluation, score="G_x_2_sum"),
    )
