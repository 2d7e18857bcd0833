"""AEGAN-AD with published weights hears what the published code hears, with every normalisation; and its scores."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.aegan_ad import AEGANAD, AEGANADConfig
from asd_jax.detectors.base import TrainState
from asd_jax.interop.aegan_ad import PREFIXES, load_weights, rules, sizes
from asd_jax.scoring.scorers import build_scorer
from tests.golden import Arrays, distance, load, recorded, under

pytestmark = pytest.mark.golden

BAR = 1e-4


def tensors_of(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Both networks' recorded tensors, prefixed as the interop expects."""
    return {
        f"{letter}.{key}": value
        for letter in "GD"
        if any(key.startswith(f"param_{letter}/") for key in arrays)
        for key, value in under(arrays, f"param_{letter}/").items()
    }


def channels_first(x: jax.Array) -> jax.Array:
    return jnp.moveaxis(x, -1, 1)


def excerpts_of(images: np.ndarray) -> jax.Array:
    """Recorded images `[batch, 1, mels, frames]` to `[batch, frames, mels]`."""
    return jnp.swapaxes(jnp.asarray(images)[:, 0], 1, 2)


@dataclasses.dataclass
class Case:
    """Recorded weights and outputs, our detector of their sizes and its compiled outputs."""

    name: str
    tensors: Arrays
    golden: Arrays
    detector: AEGANAD
    state: TrainState
    outputs: Callable[[TrainState], dict[str, Any]]

    def errors(self, tensors: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Relative L2 distance of every recorded output."""
        ours = self.outputs(load_weights(self.detector, self.state, tensors))
        errors = {key: distance(ours[key], self.golden[key]) for key in self.golden if key in ours}
        assert errors, f"{self.name}: nothing to compare with {sorted(self.golden)}"
        return errors


def detector_of(tensors: Arrays) -> tuple[AEGANAD, TrainState]:
    config, classes = sizes(tensors, AEGANADConfig())
    detector = config.build(classes, 1, 1)
    shapes = jax.eval_shape(detector.init, jax.random.key(0)).replace(key=None)
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return detector, load_weights(detector, blank, tensors)


def evaluation(path: Path) -> Case:
    """The published norms, every level tapped."""
    arrays = load(path)
    detector, state = detector_of(tensors_of(arrays))
    image = channels_last(arrays["in/mel"])

    @jax.jit
    def outputs(state: TrainState) -> dict[str, Any]:
        generator, discriminator = (
            detector.network(name, state.params[name], state.statistics[name]) for name in PREFIXES
        )
        encoded = generator.encoder(image, train=False)
        decoded = generator.decoder(encoded.latent, train=False)
        real = discriminator(image, train=False)
        fake = discriminator(decoded.image, train=False)
        found = {
            "out/z": encoded.latent[:, :, None, None],
            "out/recon": channels_first(decoded.image),
            "out/rez": generator.encoder(decoded.image, train=False).latent[:, :, None, None],
            "out/D_pred_real": real.prediction[:, None],
            "out/D_feat_real": real.feature,
            "out/D_pred_fake": fake.prediction[:, None],
            "out/D_feat_fake": fake.feature,
        }
        taps = {"enc_ln{}": encoded.levels, "dec_ln{}": decoded.levels}
        for name, levels in taps.items():
            for i, level in enumerate(levels):
                found[f"out/{name.format(3 * i + 1)}_sample0"] = channels_first(level)[0]
        for i, level in enumerate(real.levels):
            found[f"out/D_level{i}_sample0"] = channels_first(level)[0]
        return found

    golden = {key: value for key, value in arrays.items() if key.startswith("out/")}
    return Case(path.stem, tensors_of(arrays), golden, detector, state, outputs)


def channels_last(images: np.ndarray) -> jax.Array:
    return jnp.moveaxis(jnp.asarray(images), 1, -1)


def variant(path: Path, name: str) -> Case:
    """One choice of norms: evaluation, and the training forward with the statistics that it leaves."""
    arrays = under(load(path), f"{name}/")
    tensors = tensors_of(arrays)
    has_discriminator = any(key.startswith("D.") for key in tensors)
    if not has_discriminator:
        # The 2022 recording holds the generator alone: any discriminator of its size will do.
        encoder_channels = len(tensors["G.Encoder.main.0.weight"])
        size = arrays["in"].shape[-1]
        tensors |= some_discriminator(size, encoder_channels)
    detector, state = detector_of(tensors)
    image = channels_last(arrays["in"])

    @jax.jit
    def outputs(state: TrainState) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for train in (False, True):
            mode = "train" if train else "eval"
            generator, discriminator = (
                detector.network(name, state.params[name], state.statistics[name])
                for name in PREFIXES
            )
            latent = generator.encoder(image, train=train).latent
            found[f"{mode}_z"] = latent[:, :, None, None]
            found[f"{mode}_recon"] = channels_first(generator.decoder(latent, train=train).image)
            judged = discriminator(image, train=train)
            found[f"{mode}_pred"] = judged.prediction[:, None]
            found[f"{mode}_feat"] = judged.feature
        for letter, network in (("G", generator), ("D", discriminator)):
            for source, (target, _) in rules(network).items():
                if "running" in source:
                    variable: Any = network
                    for part in target:
                        variable = (
                            variable[part] if isinstance(part, int) else getattr(variable, part)
                        )
                    found[f"after_{letter}/{source}"] = variable[...]
        return found | {"z": found["eval_z"], "recon": found["eval_recon"]}

    golden = {
        key: value
        for key, value in arrays.items()
        if not key.startswith("param_") and key != "in" and not key.endswith("num_batches_tracked")
    }
    return Case(f"{path.stem} {name}", tensors, golden, detector, state, outputs)


def some_discriminator(size: int, channels: int) -> Arrays:
    rng = np.random.default_rng(0)
    found: Arrays = {}
    narrow, height = 1, size // 2
    while height >= 4:
        level = len(found) // 3
        found[f"D.main.{level}.0.weight"] = rng.normal(size=(channels, narrow, 4, 4))
        for part in ("weight", "bias"):
            found[f"D.main.{level}.1.{part}"] = rng.normal(size=(channels, height, height))
        narrow, channels, height = channels, 2 * channels, height // 2
    found["D.feat_extract_layer.0.weight"] = rng.normal(size=(narrow, 1, 4, 4))
    for part, shape in {"0.weight": (narrow,), "0.bias": (narrow,), "2.bias": (1,)}.items():
        found[f"D.output_layer.{part}"] = rng.normal(size=shape)
    found["D.output_layer.2.weight"] = rng.normal(size=(1, narrow))
    return {key: value.astype(np.float32) for key, value in found.items()}


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[Case]:
    found = [evaluation(path) for path in recorded(shared, "aegan*eval*.npz")]
    for pattern in ("aegan*norm_variants*.npz", "aegan*firstnorm*.npz"):
        for path in recorded(shared, pattern):
            names = sorted({key.split("/")[0] for key in load(path)})
            found += [variant(path, name) for name in names]
    return found


def test_every_output_equals_the_recording(cases: list[Case]) -> None:
    """Taps, latent vectors, images, features and predictions; running statistics after a forward pass."""
    for case in cases:
        errors = case.errors(case.tensors)
        print(case.name, max(errors.values()))
        assert {key: error for key, error in errors.items() if error > BAR} == {}, case.name
        untapped = set(case.golden) - set(errors)
        assert not untapped, f"{case.name}: not compared: {sorted(untapped)}"


def test_a_slightly_wrong_tensor_breaks_parity(cases: list[Case]) -> None:
    """One of every kind of tensor in every file, every second element off by 1 %, leaves the bar.

    Every second, since a normalisation behind a convolution undoes what scales all of its kernel.
    """
    for case in cases:
        parts = {"G"} | ({"D"} if any("D" in k or "pred" in k for k in case.golden) else set())
        one_of_a_kind = {
            (
                name.split(".")[0:2][0],
                name.split(".")[1],
                tensor.ndim,
                name.rsplit(".", 1)[-1],
            ): name
            for name, tensor in case.tensors.items()
            if name[0] in parts
        }
        assert len(one_of_a_kind) >= 4
        for name in one_of_a_kind.values():
            wrong = case.tensors[name].copy()
            wrong.ravel()[::2] *= 1.01
            assert max(case.errors(case.tensors | {name: wrong}).values()) > BAR, (case.name, name)


def test_sizes_are_read_off_the_tensors(cases: list[Case]) -> None:
    """The first case's knobs are recorded; every choice of norms occurs among the files."""
    for case in cases:
        config = case.detector.config
        if "norm_variants" in case.name:
            kinds = {"bn": "batch", "in": "instance", "ln": "layer"}
            parts = case.name.split()[-1].split("_")
            assert config.generator_norm == kinds[parts[1]]
            assert config.discriminator_norm == kinds[parts[3]]
    assert {case.detector.config.first_norm for case in cases} == {True, False}


def test_recorded_size_knobs_are_found(shared: Path) -> None:
    for path in recorded(shared, "aegan*eval*.npz"):
        arrays = load(path)
        config, classes = sizes(tensors_of(arrays), AEGANADConfig())
        found = (
            config.features.n_mels,
            config.encoder_channels,
            config.decoder_channels,
            config.latent,
        )
        assert found == tuple(arrays["cfg/isize_ndf_ngf_nz"]), path.name
        assert classes == 0


def test_weights_of_another_architecture_are_refused(cases: list[Case]) -> None:
    """The error names the first tensor that is missing."""
    case = cases[0]
    for missing in ("G.Encoder.main.0.weight", "G.Decoder.main.0.weight", "D.main.0.0.weight"):
        stem = missing.rsplit(".", 2)[0]
        others = {k: v for k, v in case.tensors.items() if not k.startswith(stem)}
        with pytest.raises(ValueError, match=f"{missing} is missing"):
            sizes(others, AEGANADConfig())
    fewer = dict(case.tensors)
    del fewer["D.output_layer.2.bias"]
    with pytest.raises(ValueError, match=r"missing \['output_layer.2.bias'\]"):
        load_weights(case.detector, case.state, fewer)


def test_all_nineteen_scores_equal_the_recording(shared: Path) -> None:
    """Reconstruction scores within 1e-4, and the fitted scores on the recorded training embeddings.

    LOF was recorded one clip at a time: on a batch the published code returns the first clip's score only.
    """
    for path in recorded(shared, "scores_detectors*.npz"):
        arrays = under(load(path), "clip/")
        detector, state = detector_of(tensors_of(arrays))
        describe = jax.jit(detector.describe)
        reports = [describe(state, excerpts_of(clip)) for clip in arrays["x"]]
        embeddings = np.stack([report["embedding"] for report in reports])
        assert distance(embeddings[0], load(path)["clip0/feat_mean"]) <= BAR
        golden = dict(zip(map(str, arrays["score_names"]), arrays["scores"], strict=True))
        assert set(golden) == {*detector.score_names, *detector.fitted_scores}
        normals = np.concatenate(
            [value for key, value in sorted(arrays.items()) if key.startswith("train_emb")]
        )
        for name, expected in golden.items():
            if name in detector.fitted_scores:
                kind, settings = detector.fitted_scores[name]
                assert settings.group == "machine_type"
                ours = build_scorer(kind, settings).fit(normals).score_samples(embeddings)
            else:
                ours = np.array([float(report[name]) for report in reports])
            print(name, distance(ours, expected))
            np.testing.assert_allclose(ours, expected, rtol=2e-4, err_msg=name)


def test_wrong_weights_change_the_scores(shared: Path) -> None:
    for path in recorded(shared, "scores_detectors*.npz"):
        arrays = under(load(path), "clip/")
        tensors = tensors_of(arrays)
        golden = dict(zip(map(str, arrays["score_names"]), arrays["scores"], strict=True))
        detector, state = detector_of(tensors)
        describe = jax.jit(detector.describe)
        for name in ("G.Encoder.main.0.weight", "G.Decoder.main.0.weight"):
            wrong = tensors[name].copy()
            wrong.ravel()[::2] *= 1.01
            loaded = load_weights(detector, state, tensors | {name: wrong})
            report = describe(loaded, excerpts_of(arrays["x"][0]))
            changes = [abs(float(report[key]) / golden[key][0] - 1) for key in detector.score_names]
            assert max(changes) > 2e-4, name
