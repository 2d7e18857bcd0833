"""Published weights become a work directory that scores as the network that they came from."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np
import pytest
from flax import nnx

from asd_jax.config import Experiment, override
from asd_jax.data.classes import ClassMap
from asd_jax.detectors.dense_autoencoder import (
    DenseAutoencoderConfig,
    DenseAutoencoderNetwork,
)
from asd_jax.detectors.mobilenetv2 import MobileNetV2Config
from asd_jax.detectors.stgram_mfn import STgramMFN
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.features.logmel import LogMel
from asd_jax.interop import dense_autoencoder, mobilenetv2, stgram_mfn
from asd_jax.interop.covariances import read_covariances
from asd_jax.interop.importing import ClassOrder, Weights, default_experiment, import_weights
from asd_jax.interop.published import PUBLISHED, config_class, find_network, interop
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.clip_record import read_record
from asd_jax.training.experiment import build_detector, load_experiment, train
from asd_jax.training.mesh import data_mesh
from tests.golden import load, recorded, under
from tests.published_tensors import published_tensors

TYPES = ("fan", "ToyCar")


def restored(experiment: Experiment, workdir: Path, model: str = "all") -> tuple[Any, Any]:
    """The detector of a work directory and its last state."""
    directory = workdir / "models" / model
    detector = build_detector(experiment, ClassMap.load(directory / "class_map.json"), 8)
    with Checkpoints(directory / "checkpoints") as checkpoints:
        like = jax.eval_shape(detector.init, jax.random.key(0))
        return detector, checkpoints.restore(like, data_mesh())


@pytest.fixture(scope="module")
def experiment(tiny: Experiment, prepared: Any) -> Experiment:
    return override(
        tiny, [f"data.data_dir={prepared('dcase2020', list(TYPES))}", "training.epochs=1"]
    )


@pytest.fixture(scope="module")
def trained(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("trained")
    train(experiment, workdir)
    evaluate(load_experiment(workdir), workdir)
    return workdir


@pytest.fixture(scope="module")
def tensors(trained: Path, experiment: Experiment) -> dict[str, np.ndarray]:
    detector, state = restored(experiment, trained)
    assert isinstance(detector, STgramMFN)
    network = detector.network(state.params, state.statistics)
    return published_tensors(network, stgram_mfn.rules(network))


def saved(path: Path, tensors: Mapping[str, np.ndarray]) -> list[Weights]:
    np.savez(path, **tensors)  # type: ignore[arg-type]
    return [Weights(str(path))]


def scores(workdir: Path) -> dict[str, float]:
    rows = read_clip_scores(workdir / "results" / "development")
    return {f"{row.machine_type}/{row.file_name}": row.score for row in rows}


def test_imported_weights_score_as_where_they_were_trained(
    trained: Path, tensors: dict[str, np.ndarray], experiment: Experiment, tmp_path: Path
) -> None:
    """From a checkpoint with all that usually surrounds a network, into a configuration of other sizes."""
    nested = {f"state_dict.module.{name}": tensor for name, tensor in tensors.items()}
    nested["optimizer.state.0.exp_avg"] = np.ones(3)
    nested["state_dict.module.mobilefacenet.conv1.bn.num_batches_tracked"] = np.array(7)
    other = override(experiment, ["detector.width=16", "detector.embedding=4"])
    workdir = tmp_path / "imported"
    weights = saved(tmp_path / "w.npz", nested)
    folders = import_weights("stgram_mfn", weights, other, workdir, class_order="sorted")
    assert folders == [workdir / "models" / "all"]
    found = load_experiment(workdir)
    assert found == load_experiment(trained)
    results = evaluate(found, workdir)
    assert results is not None
    ours, expected = scores(workdir), scores(trained)
    assert set(ours) == set(expected)
    np.testing.assert_allclose(
        [ours[name] for name in expected], list(expected.values()), rtol=1e-4, atol=1e-5
    )


def test_training_leaves_an_imported_model_alone(
    tensors: dict[str, np.ndarray], experiment: Experiment, tmp_path: Path
) -> None:
    """It counts as trained to the last epoch."""
    workdir = tmp_path / "imported"
    weights = saved(tmp_path / "w.npz", tensors)
    import_weights("stgram_mfn", weights, experiment, workdir, class_order="sorted")
    before = restored(experiment, workdir)[1]
    train(load_experiment(workdir), workdir)
    after = restored(experiment, workdir)[1]
    assert int(before.step) == int(after.step) == 3
    np.testing.assert_array_equal(
        before.params["arcface"]["weight"][...], after.params["arcface"]["weight"][...]
    )


def test_published_classes_are_ordered_regardless_of_case(
    tensors: dict[str, np.ndarray], experiment: Experiment, tmp_path: Path
) -> None:
    """Where sorting puts capitals first, the published systems have fan before ToyCar."""
    weights = saved(tmp_path / "w.npz", tensors)
    orders: dict[Any, tuple] = {}
    for order in get_args(ClassOrder):
        workdir = tmp_path / order
        import_weights("stgram_mfn", weights, experiment, workdir, class_order=order)
        classes = ClassMap.load(workdir / "models" / "all" / "class_map.json").classes
        orders[order] = tuple(machine_type for machine_type, _ in classes)
    assert orders == {
        "published": ("fan", "fan", "ToyCar", "ToyCar"),
        "sorted": ("ToyCar", "ToyCar", "fan", "fan"),
    }


def test_the_number_of_classes_must_agree(
    tensors: dict[str, np.ndarray], experiment: Experiment, tmp_path: Path
) -> None:
    """Weights of four classes on the data of two: refused, unless a class map says which is which."""
    fans = override(experiment, ["data.machine_types=fan"])
    weights, workdir = saved(tmp_path / "w.npz", tensors), tmp_path / "imported"
    with pytest.raises(ValueError, match=r"4 classes apart, the data have 2 .*--class_map=FILE"):
        import_weights("stgram_mfn", weights, fans, workdir)
    assert not workdir.exists()
    by = ("machine_type", "section")
    ids = ("id_00", "id_02")
    named = ClassMap(by, (*(("fan", i) for i in ids), *(("pump", i) for i in ids)))
    import_weights("stgram_mfn", weights, fans, workdir, named)
    assert ClassMap.load(workdir / "models" / "all" / "class_map.json") == named
    recorded = read_record(workdir / "models" / "all") or []
    assert {(clip.section, clip.class_id) for clip in recorded} == {("id_00", 0), ("id_02", 1)}
    other = ClassMap(by, (*(("fan", i) for i in ("id_00", "id_04")), *named.classes[2:]))
    with pytest.raises(ValueError, match=r"--class_map has no class fan/id_02"):
        import_weights("stgram_mfn", weights, fans, tmp_path / "other", other)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arcface.weight": None}, r"w\.npz: no weights of stgram_mfn: .*arcface\.weight is miss"),
        ({"mobilefacenet.conv2.prelu.weight": None}, r"w\.npz: .* missing \['mobilefacenet\.conv2"),
        ({"extra.weight": np.ones(3)}, r"w\.npz: .* unknown \['extra\.weight'\]"),
        ({"arcface.weight": np.ones((4, 5))}, r"w\.npz: arcface\.weight has shape \(4, 5\) here"),
    ],
)
def test_weights_of_another_architecture_are_refused(
    tensors: dict[str, np.ndarray],
    experiment: Experiment,
    tmp_path: Path,
    change: dict[str, np.ndarray | None],
    message: str,
) -> None:
    """The file and what differs are named, and nothing is written."""
    changed = {name: value for name, value in (tensors | change).items() if value is not None}
    weights, workdir = saved(tmp_path / "w.npz", changed), tmp_path / "imported"
    with pytest.raises(ValueError, match=message):
        import_weights("stgram_mfn", weights, experiment, workdir)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.npz"]


def test_a_work_directory_in_use_is_not_touched(
    trained: Path, tensors: dict[str, np.ndarray], experiment: Experiment, tmp_path: Path
) -> None:
    weights = saved(tmp_path / "w.npz", tensors)
    before = (trained / "config.json").read_text()
    with pytest.raises(ValueError, match="is not empty: choose another --workdir"):
        import_weights("stgram_mfn", weights, experiment, trained)
    assert (trained / "config.json").read_text() == before
    with pytest.raises(ValueError, match="configuration is of STgramMFNConfig, not of mobilenetv2"):
        import_weights("mobilenetv2", weights, experiment, tmp_path / "imported")


SMALL_MOBILENET = MobileNetV2Config(frames=16, stages=((1, 16, 1, 1), (6, 24, 2, 2)))


@pytest.fixture
def a_model_a_type(experiment: Experiment) -> Experiment:
    detector = dataclasses.replace(SMALL_MOBILENET, clip=experiment.detector.windows())
    return override(
        dataclasses.replace(experiment, detector=detector), ["data.one_model_per=machine_type"]
    )


def test_a_file_for_each_machine_type(a_model_a_type: Experiment, tmp_path: Path) -> None:
    """`{machine_type}` in the path; one file for several models, or a missing one, is refused."""
    workdir = tmp_path / "imported"
    for seed, machine_type in enumerate(TYPES):
        network = SMALL_MOBILENET.network(2, rngs=nnx.Rngs(seed))
        tensors = published_tensors(network, mobilenetv2.rules(network))
        np.savez(tmp_path / f"model_{machine_type}.npz", **tensors)  # type: ignore[arg-type]
    single = [Weights(str(tmp_path / "model_fan.npz"))]
    with pytest.raises(ValueError, match=r"models of ToyCar, fan: write \{machine_type\} in its"):
        import_weights("mobilenetv2", single, a_model_a_type, workdir)
    each = [Weights(str(tmp_path / "model_{machine_type}.npz"))]
    folders = import_weights("mobilenetv2", each, a_model_a_type, workdir)
    assert [folder.name for folder in folders] == ["ToyCar", "fan"]
    for seed, machine_type in enumerate(TYPES):
        _, state = restored(a_model_a_type, workdir, machine_type)
        expected = SMALL_MOBILENET.network(2, rngs=nnx.Rngs(seed)).stem[...]
        np.testing.assert_array_equal(state.params["stem"][...], expected)
    (tmp_path / "model_ToyCar.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"model_ToyCar\.npz"):
        import_weights("mobilenetv2", each, a_model_a_type, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_every_published_system_has_its_modules(name: str) -> None:
    """The defaults are an experiment; foreign tensors are refused with a missing name and what there is."""
    experiment = default_experiment(name)
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert callable(interop(name).load_weights)
    with pytest.raises(ValueError, match=rf"no weights of {name}: .* is missing; 1 tensors, such"):
        find_network(name, {"something.else": np.ones((2, 3))}, config_class(name)())


@pytest.mark.golden
def test_two_networks_and_what_was_heard_in_training(
    shared: Path, prepared: Any, tmp_path: Path
) -> None:
    """AEGAN-AD's generator and discriminator, in one file or two; the range of levels comes from the clips."""
    arrays = load(recorded(shared, "aegan*eval*.npz")[0])
    generator, discriminator = under(arrays, "param_G/"), under(arrays, "param_D/")
    one = {f"netG.module.{name}": tensor for name, tensor in generator.items()}
    one |= {f"netD.module.{name}": tensor for name, tensor in discriminator.items()}
    two = [
        saved(tmp_path / "g.npz", generator)[0]._replace(part="G"),
        saved(tmp_path / "d.npz", discriminator)[0]._replace(part="D"),
    ]
    experiment = override(
        default_experiment("aegan_ad"),
        [f"data.data_dir={prepared('dcase2020', ['fan'])}", "training.batch_size=4"],
    )
    states = []
    for number, weights in enumerate((saved(tmp_path / "w.npz", one), two)):
        workdir = tmp_path / f"imported_{number}"
        import_weights("aegan_ad", weights, experiment, workdir)
        found = json.loads((workdir / "config.json").read_text())["detector"]
        assert found["features"]["n_mels"] == arrays["cfg/isize_ndf_ngf_nz"][0]
        states.append(restored(load_experiment(workdir), workdir, "fan")[1])
    leaves = [jax.tree.leaves((state.params, state.statistics)) for state in states]
    for first, second in zip(*leaves, strict=True):
        np.testing.assert_array_equal(first, second)
        assert np.all(np.isfinite(first))


def test_published_covariances_decide_whatever_clips_are_at_hand(
    experiment: Experiment, tmp_path: Path
) -> None:
    """The score rests on them: they are kept beside the model, and no training clip changes a score."""
    config = DenseAutoencoderConfig(
        features=LogMel.dcase2021(n_mels=8),
        encoder=(6,),
        bottleneck=2,
        decoder=(6,),
        framework="pytorch",
    )
    network = DenseAutoencoderNetwork(config, rngs=nnx.Rngs(0))
    tensors = published_tensors(network, dense_autoencoder.rules(network))
    rng = np.random.default_rng(0)
    for name in ("cov_source", "cov_target"):
        factor = rng.normal(size=(8, 24))
        tensors[name] = (factor @ factor.T).astype(np.float32)
    files = saved(tmp_path / "ae.npz", tensors)
    asked = dataclasses.replace(
        override(experiment, ["data.machine_types=fan", "evaluation.score=mahalanobis_nttcslab"]),
        detector=config,
    )
    found = []
    for clips in (1, 3):
        workdir = tmp_path / f"run{clips}"
        chosen = override(asked, [f"evaluation.reference_clips={clips}"])
        import_weights("dense_autoencoder", files, chosen, workdir)
        kept = read_covariances(workdir / "models" / "all")
        np.testing.assert_array_equal(kept[1], tensors["cov_target"])
        results = evaluate(load_experiment(workdir), workdir)
        assert results is not None
        found.append([clip.score for clip in read_clip_scores(results.directory)])
    assert found[0] == found[1]


def test_what_a_file_holds_beside_the_network_is_named(
    tensors: dict[str, np.ndarray],
    experiment: Experiment,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mean or a threshold outside the network may belong to the published score."""
    nested = {f"net.{name}": tensor for name, tensor in tensors.items()}
    beside = {"input_mean": np.ones(3), "optimizer.exp_avg": np.ones(3)}
    import_weights(
        "stgram_mfn", saved(tmp_path / "w.npz", nested | beside), experiment, tmp_path / "run"
    )
    assert "no place for it: input_mean. A published score" in caplog.text
    assert "exp_avg" not in caplog.text


def test_weights_that_are_not_finite_are_refused(
    tensors: dict[str, np.ndarray], experiment: Experiment, tmp_path: Path
) -> None:
    broken = dict(tensors)
    name = next(key for key, tensor in tensors.items() if tensor.ndim == 1)
    broken[name] = np.full_like(tensors[name], np.nan)
    with pytest.raises(ValueError, match=r"broken\.npz: .* not finite"):
        import_weights(
            "stgram_mfn", saved(tmp_path / "broken.npz", broken), experiment, tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()
