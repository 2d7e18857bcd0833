"""AEGAN-AD on the pumps of DCASE 2020 as published: standard deviations are matched beside means."""

import dataclasses

from aegan_ad_2020 import get_config as common_config

from asd_jax.config import Experiment


def get_config() -> Experiment:
    """Trained on development and additional clips."""
    common = common_config()
    return dataclasses.replace(
        common,
        name="aegan_ad_2020_pump",
        detector=dataclasses.replace(common.detector, deviation_weight=1.0),
        data=dataclasses.replace(
            common.data, machine_types=("pump",), train_stages=("dev", "eval")
        ),
    )
