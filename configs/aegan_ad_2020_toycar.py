"""AEGAN-AD on ToyCar of DCASE 2020 as published: standard deviations are matched; clips of 11 s."""

import dataclasses

from aegan_ad_2020 import get_config as common_config

from asd_jax.config import Experiment
from asd_jax.data.windows import WindowPolicy


def get_config() -> Experiment:
    """Trained on development and additional clips."""
    common = common_config()
    return dataclasses.replace(
        common,
        name="aegan_ad_2020_toycar",
        detector=dataclasses.replace(
            common.detector, clip=WindowPolicy(samples=176000), deviation_weight=1.0
        ),
        data=dataclasses.replace(
            common.data, machine_types=("ToyCar",), train_stages=("dev", "eval")
        ),
        evaluation=dataclasses.replace(common.evaluation, score="D_knn"),
    )
