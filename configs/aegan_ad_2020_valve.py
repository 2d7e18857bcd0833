"""AEGAN-AD on the valves of DCASE 2020 as published: batch normalisation, features matched with little weight."""

import dataclasses

from aegan_ad_2020 import get_config as common_config

from asd_jax.config import Experiment


def get_config() -> Experiment:
    """Trained on development and additional clips."""
    common = common_config()
    return dataclasses.replace(
        common,
        name="aegan_ad_2020_valve",
        detector=dataclasses.replace(common.detector, generator_norm="batch", mean_weight=0.05),
        data=dataclasses.replace(
            common.data, machine_types=("valve",), train_stages=("dev", "eval")
        ),
        evaluation=dataclasses.replace(common.evaluation, score="G_z_cos_sum"),
    )
