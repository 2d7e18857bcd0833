"""STgram-MFN with published weights hears what the published code hears: every tapped output within 1e-4."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.stgram_mfn import STgramMFN, STgramMFNConfig, STgramNetwork
from asd_jax.interop.pytorch import load_state_dict
from asd_jax.interop.stgram_mfn import rules

pytestmark = pytest.mark.golden

Arrays = dict[str, np.ndarray]
BAR = 1e-4


@dataclasses.dataclass
class Case:
    """One recorded evaluation and the compiled network to compare with it."""

    name: str
    recorded: Arrays
    network: STgramNetwork
    forward: Callable[[nnx.State], dict[str, jax.Array]]

    def outputs(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every tap, in the recorded layout."""
        load_state_dict(self.network, tensors, rules(self.network))
        taps = self.forward(nnx.state(self.network))
        return {key: np.asarray(value) for key, value in taps.items()}

    def errors(self, tensors: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Relative L2 distance of every recorded output."""
        ours = self.outputs(tensors)
        errors = {}
        for key, golden in self.recorded.items():
            if key.startswith("out/"):
                errors[key] = distance(recorded_part(ours, key, golden.shape), golden)
        assert errors
        return errors


def recorded_part(ours: dict[str, np.ndarray], key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Our tap of that name; `_sample<i>` and `_first<n>` tell that the recording keeps a part of it."""
    match = re.fullmatch(r"out/(.+?)(?:_sample(\d+))?(?:_first\d+(?:ch)?)?", key)
    assert match, key
    tap = ours[match[1]] if match[2] is None else ours[match[1]][int(match[2])]
    return tap[tuple(map(slice, shape))]


def distance(ours: np.ndarray, golden: np.ndarray) -> float:
    assert ours.shape == golden.shape
    return float(np.linalg.norm(ours - golden) / np.linalg.norm(golden))


def tensors_of(recorded: Arrays) -> Arrays:
    return {k.removeprefix("param/"): v for k, v in recorded.items() if k.startswith("param/")}


def build(name: str, recorded: Arrays) -> Case:
    config = STgramMFNConfig(
        clip=WindowPolicy(samples=recorded["in/wav"].shape[1]),
        margin=float(recorded["cfg/m"]),
        scale=float(recorded["cfg/s"]),
        sub_centers=int(recorded["cfg/sub"]),
        embedding=recorded["out/feature"].shape[1],
    )
    classes = int(recorded["cfg/num_classes"])
    detector = STgramMFN(config, classes, steps_per_epoch=1, epochs=1)
    network = STgramNetwork(config, classes, rngs=nnx.Rngs(0))
    graph = nnx.graphdef(network)
    wav, mel = jnp.asarray(recorded["in/wav"]), jnp.asarray(recorded["in/mel"])
    label = jnp.asarray(recorded["in/label"])

    @jax.jit
    def forward(state: nnx.State) -> dict[str, jax.Array]:
        network = nnx.merge(graph, state)
        taps = network(wav, jnp.swapaxes(mel, 1, 2), train=False)
        scores = detector.scores(network, taps.feature, jax.nn.one_hot(label, classes, dtype=bool))
        return {
            "tgram_conv_extractor": jnp.swapaxes(network.tgram.extract(wav[:1]), 1, 2),
            "tgram": jnp.swapaxes(taps.tgram, 1, 2),
            "mfn_conv1": jnp.moveaxis(taps.image_network.stem, -1, 1),
            "mfn_blocks": jnp.moveaxis(taps.image_network.blocks, -1, 1),
            "mfn_conv2": jnp.moveaxis(taps.image_network.expanded, -1, 1),
            "mfn_linear7": taps.image_network.pooled,
            "feature": taps.feature,
            "fc_logits": network.linear(taps.feature),
            "arcface_cosine": network.arcface.cosines(taps.feature),
            "arcface_logits": network.arcface.logits(taps.feature, label),
            "score_reference": scores["nll_margin"],
            "score_no_margin": scores["nll"],
        }

    return Case(name, recorded, network, forward)


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[Case]:
    paths = sorted((shared / "golden").glob("stgram*eval*.npz"))
    if not paths:
        pytest.skip(f"no recorded STgram-MFN in {shared / 'golden'}")
    return [build(path.name, dict(np.load(path, allow_pickle=False))) for path in paths]


def test_every_tap_and_score_equals_the_recording(cases: list[Case]) -> None:
    for case in cases:
        errors = case.errors(tensors_of(case.recorded))
        assert {key: error for key, error in errors.items() if error > BAR} == {}, case.name


def test_a_slightly_wrong_tensor_breaks_parity(cases: list[Case]) -> None:
    """One of every kind of tensor, every second element off by 1 %, leaves the bar: it is tight enough to protect."""
    case = cases[0]
    tensors = tensors_of(case.recorded)
    one_of_a_kind = {
        (tensor.ndim, name.rsplit(".", 1)[-1], name.split(".")[0]): name
        for name, tensor in tensors.items()
        if not name.endswith("num_batches_tracked")
    }
    assert len(one_of_a_kind) >= 5
    for name in one_of_a_kind.values():
        wrong = tensors[name].copy()
        wrong.ravel()[::2] *= 1.01
        assert max(case.errors(tensors | {name: wrong}).values()) > BAR, name


def test_weights_of_another_network_are_refused(cases: list[Case]) -> None:
    """The error names a missing or unknown tensor, or the shapes that differ."""
    case = cases[0]
    tensors = tensors_of(case.recorded)
    network_rules = rules(case.network)
    name = next(iter(network_rules))
    fewer = {key: value for key, value in tensors.items() if key != name}
    with pytest.raises(
        ValueError, match=f"another network: missing \\['{name}'\\], unknown \\[\\]"
    ):
        load_state_dict(case.network, fewer, network_rules)
    with pytest.raises(ValueError, match=r"unknown \['mystery\.weight'\]"):
        load_state_dict(case.network, tensors | {"mystery.weight": np.ones(3)}, network_rules)
    with pytest.raises(ValueError, match=f"{name} has shape .* here, the network expects"):
        load_state_dict(case.network, tensors | {name: tensors[name][:-1]}, network_rules)
