"""The Anomaly Transformer with published weights sees what the published code sees: every output within 1e-4."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.anomaly_attention import positions
from asd_jax.detectors.anomaly_transformer import AnomalyTransformer, AnomalyTransformerConfig
from asd_jax.detectors.association import (
    divergence,
    evidence,
    gaussian_prior,
    minimax_discrepancy,
    prior_association,
)
from asd_jax.interop.anomaly_transformer import is_unused, load_weights, rules, sizes
from asd_jax.interop.pytorch import Rule
from tests.golden import Arrays, distance, load, recorded, scaled, under

pytestmark = pytest.mark.golden

BAR = 1e-4
LOSS_BAR = 1e-5
POSITIONS = "param/embedding.position_embedding.pe__first512rows"
WIDE_ENOUGH = 1e-2
"""Below it a recorded sigma, 3^s - 1 in float32, has lost digits that its density needs."""


@dataclasses.dataclass
class Case:
    """One recorded evaluation and a detector of its sizes."""

    name: str
    recorded: Arrays
    detector: AnomalyTransformer
    rules: dict[str, Rule]
    forward: Callable[[Any, jax.Array], dict[str, jax.Array]]

    @property
    def tensors(self) -> Arrays:
        return under(self.recorded, "param/")

    def state(self, tensors: Mapping[str, np.ndarray], precision: Any = np.float32) -> Any:
        """The detector's state with these weights."""
        start = self.detector.init(jax.random.key(0))
        given = {name: tensor.astype(precision) for name, tensor in tensors.items()}
        return load_weights(self.detector, start, given)

    def outputs(self, tensors: Mapping[str, np.ndarray], precision: Any = np.float32) -> Arrays:
        """Everything recorded under out/, score/ and loss/, by the recording's keys."""
        x = jnp.asarray(self.recorded["in/x"], precision)
        found = self.forward(self.state(tensors, precision).params, x)
        return {key: np.asarray(value, np.float64) for key, value in found.items()}

    def errors(
        self, ours: Arrays, golden: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, float]:
        """Relative L2 distance of every recorded quantity."""
        golden = self.recorded if golden is None else golden
        return {key: distance(*_comparable(key, ours, golden)) for key in ours}


def _forward(detector: AnomalyTransformer) -> Callable[[Any, jax.Array], dict[str, jax.Array]]:
    """Parameters and windows to everything recorded under out/, score/ and loss/."""

    @jax.jit
    def compute(params: Any, x: jax.Array) -> dict[str, jax.Array]:
        taps = detector.learner.apply(params, x)
        found = evidence(x, taps, temperature=50.0)
        outputs = {
            "out/value_embedding": taps.value_embedding,
            "out/embedding": taps.embedding,
            "out/output": taps.output,
            "score/energy": found.energy,
            "score/metric": jnp.exp(found.log_weight),
            "score/log_metric": found.log_weight,
            "score/mse_t": found.error,
            "score/energy_temperature1": evidence(x, taps, temperature=1.0).energy,
            "loss/rec": jnp.mean(found.error),
            "loss/series": minimax_discrepancy(taps.associations),
            "score/series_kl_t_x50": jnp.zeros(x.shape[:2], x.dtype),
            "score/prior_kl_t_x50": jnp.zeros(x.shape[:2], x.dtype),
        }
        for i, (layer, association) in enumerate(zip(taps.layers, taps.associations, strict=True)):
            prior = prior_association(association.sigma)
            outputs[f"out/layer_{i}"] = layer
            outputs[f"out/series_{i}"] = association.series
            outputs[f"out/sigma_{i}"] = association.sigma
            outputs[f"out/prior_{i}"] = gaussian_prior(association.sigma)
            outputs["score/series_kl_t_x50"] += 50 * divergence(association.series, prior)
            outputs["score/prior_kl_t_x50"] += 50 * divergence(prior, association.series)
        game = 3 * outputs["loss/series"]
        outputs["loss/prior"] = outputs["loss/series"]
        outputs["loss/loss1"] = outputs["loss/rec"] - game
        outputs["loss/loss2"] = outputs["loss/rec"] + game
        return outputs

    return compute


def _comparable(key: str, ours: Arrays, golden: Mapping[str, np.ndarray]) -> tuple[Any, Any]:
    """Both sides of a quantity; of the prior's density the rows whose sigma float32 can represent."""
    if not key.startswith("out/prior_"):
        return ours[key], golden[key]
    wide = golden[key.replace("prior", "sigma")] > WIDE_ENOUGH
    return ours[key][wide], golden[key][wide]


def build(path: Path) -> Case:
    """The detector for a recording, with every size read off the tensors."""
    arrays = load(path)
    config, classes = sizes(under(arrays, "param/"), AnomalyTransformerConfig())
    assert classes == 0
    window = arrays["in/x"].shape[1]
    fitting = dataclasses.replace(
        config,
        excerpt_frames=window,
        clip=WindowPolicy(samples=config.features.hop * window),
    )
    detector = fitting.build(classes=0, steps_per_epoch=1, epochs=1)
    network_rules = rules(detector.learner.network(jax.random.key(0)))
    return Case(path.name, arrays, detector, network_rules, _forward(detector))


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[Case]:
    return [build(path) for path in recorded(shared, "anotrans*eval*.npz")]


def test_sizes_are_read_off_the_tensors(cases: list[Case]) -> None:
    for case in cases:
        config = case.detector.config
        found = (
            config.features.n_mels,
            config.width,
            config.heads,
            config.feed_forward,
            config.layers,
        )
        _, channels, _, *rest = map(int, case.recorded["cfg"])
        assert found == (channels, *rest), case.name


def test_every_output_score_and_loss_equals_the_recording(cases: list[Case]) -> None:
    """Scores may differ by 20 times what float32 costs ours, where that is more than 1e-4."""
    for case in cases:
        ours = case.outputs(case.tensors)
        with jax.enable_x64(True):
            exact = case.outputs(case.tensors, np.float64)
        keys = {key for key in case.recorded if key.split("/")[0] in ("out", "score", "loss")}
        assert keys == set(ours), case.name
        noise = case.errors(ours, exact)
        for key, error in case.errors(ours).items():
            bar = LOSS_BAR if key.startswith("loss/") else BAR
            assert error <= (max(bar, 20 * noise[key]) if "score/" in key else bar), key


def test_the_recorded_sigma_gives_the_recorded_prior(cases: list[Case]) -> None:
    """Also where sigma is so small that ours and theirs round differently."""
    for case in cases:
        for i in range(case.detector.config.layers):
            prior = gaussian_prior(jnp.asarray(case.recorded[f"out/sigma_{i}"]))
            assert distance(prior, case.recorded[f"out/prior_{i}"]) <= BAR, case.name


def test_positions_equal_the_recorded_table(cases: list[Case]) -> None:
    for case in cases:
        table = case.recorded[POSITIONS][0]
        assert distance(positions(*table.shape), table) <= BAR, case.name


def test_a_slightly_wrong_tensor_breaks_parity(cases: list[Case]) -> None:
    """Any used tensor 1 % off leaves the bar, but for the bias of the keys.

    That one adds the same to all logits of a row, so no output can tell; `adam3` of the training does.
    """
    for case in cases:
        matter = [name for name in case.rules if not name.endswith("key_projection.bias")]
        for name in matter:
            wrong = case.outputs(case.tensors | {name: scaled(case.tensors[name])})
            worst = max(
                error for key, error in case.errors(wrong).items() if key.startswith("out/")
            )
            assert worst > BAR, (case.name, name)


def test_unused_tensors_are_dropped_knowingly(cases: list[Case]) -> None:
    """The norm that the published layer owns but never applies, and the table of positions; nothing else."""
    for case in cases:
        dropped = {name for name in case.tensors if is_unused(name)}
        assert dropped | set(case.rules) == set(case.tensors)
        assert all("attention.norm." in name or ".pe" in name for name in dropped)


def test_weights_of_another_network_are_refused(cases: list[Case]) -> None:
    """The error names what is missing, or the shapes that differ."""
    case = cases[0]
    fewer = {name: value for name, value in case.tensors.items() if name != "encoder.norm.bias"}
    with pytest.raises(ValueError, match=r"missing \['encoder\.norm\.bias'\]"):
        case.state(fewer)
    with pytest.raises(ValueError, match=r"projection\.weight is missing"):
        sizes({"conv.weight": np.ones(3)}, AnomalyTransformerConfig())
    other = dataclasses.replace(case.detector.config, width=2 * case.detector.config.width)
    detector = other.build(0, 1, 1)
    with pytest.raises(ValueError, match=r"has shape .* here, the network expects"):
        load_weights(detector, detector.init(jax.random.key(0)), case.tensors)


def test_weights_that_reconstruct_other_channels_are_refused(cases: list[Case]) -> None:
    case = cases[0]
    weight = case.tensors["projection.weight"]
    with pytest.raises(ValueError, match=r"reconstruct .* channels from"):
        sizes(case.tensors | {"projection.weight": weight[:-1]}, AnomalyTransformerConfig())
