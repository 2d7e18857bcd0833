"""Files get the numbers of an evaluation whatever the year's layout and whether the detector knows classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from asd_jax.config import Experiment, override
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.dense_autoencoder import DenseAutoencoderConfig
from asd_jax.simulation import SimulationSize
from asd_jax.training.experiment import train
from tests.inference.evaluated import check, evaluated


def test_domains_and_a_model_for_each_machine_type(
    tiny: Experiment, prepared: Any, unpacked: Callable[[str], Path], tmp_path: Path, score: Any
) -> None:
    """2021: classes of sections and domains, which file names tell as well but no test may use."""
    size = SimulationSize(sections=2, train=12, test_normal=2, test_anomaly=2)
    data_dir = prepared("dcase2021", ["fan", "pump"], size=size)
    settings = [f"data.data_dir={data_dir}", "data.dataset=dcase2021", "training.epochs=1"]
    settings += ["data.class_by=machine_type,section,domain", "data.one_model_per=machine_type"]
    train(override(tiny, settings), tmp_path / "run")
    wavs = unpacked(data_dir)
    expected = evaluated(tmp_path / "run")
    folders = [path for name in ("fan", "pump") for path in sorted((wavs / name).glob("*_test"))]
    rows = score(tmp_path / "run", folders)
    assert len(rows) == len(expected)
    check(rows, expected)
    assert {row["section"] for row in rows} == {"section_00", "section_01"}


def test_a_detector_without_classes_tells_no_section(
    prepared: Any, unpacked: Callable[[str], Path], tmp_path: Path, score: Any
) -> None:
    """The autoencoder's error is the same whatever the section; nearest neighbours are looked for in a section."""
    detector = DenseAutoencoderConfig(WindowPolicy(samples=16000), minibatch=0)
    experiment = Experiment("autoencoder", detector)
    data_dir = prepared("dcase2020", ["fan", "valve"], ("dev", "eval"))
    settings = [f"data.data_dir={data_dir}", "training.epochs=1", "training.batch_size=4"]
    train(override(experiment, [*settings, "evaluation.batch_size=4"]), tmp_path / "run")
    wavs = unpacked(data_dir)
    folder = tmp_path / "fan"
    folder.mkdir()
    for number, path in enumerate(sorted((wavs / "fan" / "test").glob("normal*"))):
        (folder / f"{number}.wav").write_bytes(path.read_bytes())
    for name, sections in (("mse", {""}), ("knn", {"id_00", "id_02"})):
        expected = evaluated(tmp_path / "run", f"evaluation.score={name}")
        rows = score(tmp_path / "run", [wavs / "fan" / "test"], f"evaluation.score={name}")
        own = [row for row in rows if row["section_by"] == "path"]
        check(own, {key: value for key, value in expected.items() if key[0] == "fan"})
        unnamed = score(tmp_path / "run", [folder], f"evaluation.score={name}")
        assert {row["section_by"] for row in unnamed} == {"match"}
        assert {row["section"] for row in unnamed} <= sections
        named = [row for row in own if Path(row["file"]).name.startswith("normal")]
        for known, unknown in zip(named, unnamed, strict=True):
            assert float(unknown["score"]) <= float(known["score"]) * (1 + 1e-6)
