"""AEGAN-AD learns as the published code does: both losses, the penalty, gradients and three steps of both optimisers.

The strict bars hold in float64. In float32 an activation within 1e-6 of its kink may change sign through rounding that
no implementation controls; the float32 bars allow for that.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.aegan_ad import AEGANAD, AEGANADConfig
from asd_jax.detectors.aegan_networks import image_of
from asd_jax.detectors.base import TrainState
from asd_jax.interop.aegan_ad import PREFIXES, load_weights, rules, sizes
from asd_jax.interop.pytorch import Rule
from tests.golden import (
    Arrays,
    distance,
    figures,
    in_our_layout,
    load,
    our_tensor,
    recorded,
    stable_mask,
    under,
)

pytestmark = pytest.mark.golden

Found = dict[str, tuple[Any, Any]]
NETWORKS = {"G": "generator", "D": "discriminator"}
WEIGHTS: dict[str, dict[str, Any]] = {
    "mu": {"mean_weight": 1.0, "deviation_weight": 0.0},
    "mu_sigma": {"mean_weight": 1.0, "deviation_weight": 1.0},
    "mu2_sigma05": {"mean_weight": 2.0, "deviation_weight": 0.5},
}


@dataclasses.dataclass
class Training:
    """A recorded evaluation with its weights and inputs, in one precision."""

    name: str
    path: Path
    precision: Any
    evaluation: Arrays

    def detector(self, matching: str, **changes: Any) -> AEGANAD:
        """Ours with the recorded sizes."""
        config, classes = sizes(self.tensors(), AEGANADConfig(**WEIGHTS[matching]))
        return dataclasses.replace(config, **changes).build(classes, 1, 1)

    def tensors(self) -> Arrays:
        return {
            f"{letter}.{key}": value.astype(self.precision)
            for letter in "GD"
            for key, value in under(self.evaluation, f"param_{letter}/").items()
        }

    def state(self, detector: AEGANAD) -> TrainState:
        shapes = jax.eval_shape(detector.init, jax.random.key(0)).replace(key=None)
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return load_weights(detector, blank, self.tensors())

    @functools.cached_property
    def rules(self) -> dict[str, dict[str, Rule]]:
        """Of the generator and of the discriminator."""
        detector = self.detector("mu")
        state = self.state(detector)
        return {
            name: rules(detector.network(name, state.params[name], state.statistics[name]))
            for name in PREFIXES
        }

    @property
    def excerpts(self) -> jax.Array:
        return jnp.swapaxes(jnp.asarray(self.evaluation["in/mel"][:, 0], self.precision), 1, 2)

    def alpha(self, step: int) -> jax.Array:
        return jnp.asarray(self.evaluation["in/alpha"][step].reshape(-1), self.precision)


class FirstStep:
    """Losses and gradients of every recorded objective from given weights, compiled once.

    Args:
        training: sizes, inputs and precision.
        matchings: the generator's objectives.
        changes: of the detector's config.
    """

    def __init__(
        self, training: Training, matchings: Iterable[str] = tuple(WEIGHTS), **changes: Any
    ):
        self.exact = training.precision == np.float64
        self.detectors = {
            matching: training.detector(matching, **changes) for matching in matchings
        }
        with jax.enable_x64(self.exact):
            image, alpha = image_of(training.excerpts), training.alpha(0)
            self.outputs = jax.jit(lambda state: self._outputs(state, image, alpha))

    def __call__(self, training: Training) -> Found:
        """Metrics and gradients by the recorded names of the objectives."""
        with jax.enable_x64(self.exact):
            return self.outputs(training.state(next(iter(self.detectors.values()))))

    def _outputs(self, state: TrainState, image: jax.Array, alpha: jax.Array) -> Found:
        params, known = state.params, state.statistics
        detector = next(iter(self.detectors.values()))
        reconstruction, pull_back, _ = jax.vjp(
            lambda params: detector.reconstruct(params, known["generator"], image),
            params["generator"],
            has_aux=True,
        )

        def judge(params):
            inputs = (known["discriminator"], image, reconstruction, alpha)
            loss, (_, metrics) = detector.discriminator_loss(params, *inputs)
            return (loss, metrics["gradient_penalty"]), metrics

        _, pull_judge, metrics = jax.vjp(judge, params["discriminator"], has_aux=True)
        one, zero = jnp.ones((), image.dtype), jnp.zeros((), image.dtype)
        found = {
            "D": (metrics, pull_judge((one, zero))[0]),
            "D_gp_only": (metrics, pull_judge((zero, one))[0]),
        }
        for matching, each in self.detectors.items():
            gradient, (_, metrics) = jax.grad(each.generator_loss, has_aux=True)(
                reconstruction, params["discriminator"], known["discriminator"], image
            )
            found[f"G_{matching}"] = (metrics, pull_back(gradient)[0])
        return found


@pytest.fixture(scope="module")
def trainings(shared: Path) -> list[Training]:
    return [
        Training(path.stem, path, np.float64, load(path))
        for path in recorded(shared, "aegan*eval*.npz")
    ]


@pytest.fixture(scope="module")
def compiled(trainings: list[Training]) -> list[FirstStep]:
    return [FirstStep(training) for training in trainings]


@pytest.fixture(scope="module")
def first_steps(trainings: list[Training], compiled: list[FirstStep]) -> list[Found]:
    return [step(training) for step, training in zip(compiled, trainings, strict=True)]


def gradient_file(training: Training) -> Arrays:
    return load(training.path.with_name(training.path.name.replace("eval", "grad")))


def test_losses_of_the_first_step(trainings, first_steps) -> None:
    """Within 1e-5 of the recording, every part of them."""
    for training, found in zip(trainings, first_steps, strict=True):
        golden = gradient_file(training)
        metrics, _ = found["D"]
        assert golden["D_step/lambda_gp"] == AEGANADConfig().penalty_weight
        expected = {
            "discriminator_loss": golden["D_step/loss"],
            "gradient_penalty": golden["D_step/gp"],
            "wasserstein": -(golden["D_step/real"] + golden["D_step/fake"]),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
        for matching in WEIGHTS:
            metrics, _ = found[f"G_{matching}"]
            names = {"recon": "reconstruction", "d2g": "matching", "loss": "loss"}
            for theirs, mine in names.items():
                value = golden[f"G_{matching}/{theirs}"]
                np.testing.assert_allclose(metrics[mine], value, rtol=1e-5, err_msg=matching)


def gradient_errors(training: Training, found: Found) -> dict[str, float]:
    """Relative L2 distances; of a norm and a sum where only these are recorded; of the total where it is zero."""
    golden = gradient_file(training)
    errors: dict[str, float] = {}
    for source, (_, gradients) in found.items():
        network_rules = training.rules[NETWORKS[source[0]]]
        tensors = under(golden, f"grad_{source}/") if has(golden, f"grad_{source}/") else {}
        total = float(np.linalg.norm([np.linalg.norm(value) for value in tensors.values()]))
        for key, value in tensors.items():
            name = key.removesuffix("__norm_sum")
            ours = our_tensor(gradients, network_rules, name)
            if key != name:
                norm = float(np.linalg.norm(ours))
                errors[f"{source} {name} norm"] = abs(norm / value[0] - 1)
                errors[f"{source} {name} sum"] = abs(float(ours.sum()) - value[1]) / norm
                continue
            expected = in_our_layout(network_rules, name, value)
            if np.linalg.norm(expected) < 1e-6 * total:
                errors[f"{source} {name}"] = float(np.linalg.norm(ours - expected)) / total
            else:
                errors[f"{source} {name}"] = distance(ours, expected)
    assert {key.split()[0] for key in errors} >= {"D", "D_gp_only", "G_mu_sigma"}
    return errors


def has(arrays: Arrays, prefix: str) -> bool:
    return any(key.startswith(prefix) for key in arrays)


def noise_of(golden: Arrays) -> dict[str, float]:
    """Recorded float32 noise, by "objective name"."""
    found: dict[str, float] = {}
    for key in golden:
        match = re.fullmatch(r"noise/grad_(.+)_names", key)
        if match:
            noise = figures(golden, key, f"noise/grad_{match[1]}_rel_l2")
            for name, value in noise.items():
                found[f"{match[1]} {name.split('/', 1)[-1]}"] = value
    return found


def test_every_gradient(trainings, first_steps) -> None:
    """Relative L2 distance at most 1e-3 or 20 times the recorded noise; in float64 they are all far below."""
    for training, found in zip(trainings, first_steps, strict=True):
        errors, noise = gradient_errors(training, found), noise_of(gradient_file(training))
        print(training.name, max(errors.values()))
        wrong = {k: e for k, e in errors.items() if e > max(1e-3, 20 * noise.get(k, 0))}
        assert not wrong, training.name
        assert np.median(list(errors.values())) < 1e-5


def test_parameters_without_gradient(trainings, first_steps) -> None:
    """What the recording names as unused (the last bias, for the penalty alone) gets no gradient."""
    for training, found in zip(trainings, first_steps, strict=True):
        golden = gradient_file(training)
        for source, (_, gradients) in found.items():
            network_rules = training.rules[NETWORKS[source[0]]]
            for name in filter(None, map(str, golden.get(f"grad_{source}__none", []))):
                assert not np.any(our_tensor(gradients, network_rules, name)), (source, name)


def test_a_slightly_wrong_tensor_breaks_gradient_parity(trainings, compiled, first_steps) -> None:
    """Every recorded gradient scaled by 1.01 is noticed, and so is one wrong weight of each network."""
    training, found = trainings[0], first_steps[0]
    network_rules = training.rules["discriminator"]
    for key, value in under(gradient_file(training), "grad_D/").items():
        ours = our_tensor(found["D"][1], network_rules, key)
        if np.linalg.norm(value) > 1e-6:
            assert distance(ours, in_our_layout(network_rules, key, value * 1.01)) > 1e-3, key
    for name in ("param_G/Encoder.main.0.weight", "param_D/main.0.1.weight"):
        wrong = training.evaluation[name].copy()
        wrong.ravel()[::2] *= 1.01
        changed = dataclasses.replace(training, evaluation=training.evaluation | {name: wrong})
        errors = gradient_errors(training, compiled[0](changed))
        assert max(errors.values()) > 1e-3, name


def test_three_steps_of_both_optimisers(trainings) -> None:
    """Parameters within a tenth of the learning rate where the recording is stable; losses within 1e-5."""
    rate = AEGANADConfig().generator_rate
    compared = 0
    for training in trainings:
        for matching in ("mu", "mu_sigma"):
            sibling = training.path.name.replace("eval", f"adam3_{matching}")
            if not training.path.with_name(sibling).is_file():
                continue
            golden = load(training.path.with_name(sibling))
            with jax.enable_x64(True):
                detector = training.detector(matching)
                state = training.state(detector)
                learn, losses = jax.jit(detector.learn), []
                for step in range(len(training.evaluation["in/alpha"])):
                    state, metrics = learn(state, training.excerpts, training.alpha(step))
                    losses.append(metrics)
            names = {"recon": "reconstruction", "d2g": "matching", "gloss": "loss"}
            for theirs, mine in names.items():
                mean = np.mean([float(metrics[mine]) for metrics in losses])
                np.testing.assert_allclose(mean, golden[f"mean_over_3/{theirs}"], rtol=1e-5)
            for letter, name in NETWORKS.items():
                for key, value in under(golden, f"adam3_{letter}/").items():
                    mask = stable_mask(golden, f"stable_{letter}/{key}", value.shape)
                    ours = our_tensor(state.params[name], training.rules[name], key)
                    error = np.abs(ours - in_our_layout(training.rules[name], key, value))
                    here = training.rules[name][key][1](mask)
                    assert error[here].max(initial=0) <= 0.1 * rate, (sibling, key)
                    compared += int(mask.sum())
    assert compared > 1000


def test_the_published_roots_without_epsilon_are_an_option(trainings, first_steps) -> None:
    """epsilon=0 is the literal code; the default differs from it by far less than parity's bar."""
    literal = FirstStep(trainings[0], ["mu_sigma"], epsilon=0.0)(trainings[0])
    errors = gradient_errors(trainings[0], literal)
    assert max(errors.values()) <= 1e-3
    for name, (metrics, _) in literal.items():
        for key, value in metrics.items():
            np.testing.assert_allclose(first_steps[0][name][0][key], value, rtol=1e-6, err_msg=key)


def test_float32_losses_and_gradients(trainings) -> None:
    """The precision of trainings: losses within 1e-5, gradients within 2e-2, most of them within 1e-3."""
    for training in trainings:
        single = dataclasses.replace(training, precision=np.float32)
        found = FirstStep(single, ["mu_sigma"])(single)
        golden = gradient_file(training)
        loss = found["G_mu_sigma"][0]["loss"]
        np.testing.assert_allclose(loss, golden["G_mu_sigma/loss"], rtol=1e-5)
        np.testing.assert_allclose(
            found["D"][0]["discriminator_loss"], golden["D_step/loss"], rtol=1e-5
        )
        errors = gradient_errors(training, found)
        print(training.name, "float32", max(errors.values()))
        assert max(errors.values()) <= 2e-2
        assert np.mean(np.array(list(errors.values())) <= 1e-3) >= 0.8
