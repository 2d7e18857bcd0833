"""The import command as a user types it: from a weight file to the result table, and the answers to mistakes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

from asd_jax.config import Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.detectors.stgram_mfn import STgramMFNConfig, STgramNetwork
from asd_jax.interop.stgram_mfn import rules
from tests.published_tensors import published_tensors

PATIENCE_SECONDS = 120


def finish(process: Any) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


def succeed(process: Any) -> str:
    status, output, errors = finish(process)
    assert status == 0, errors
    return output


@pytest.fixture(scope="module")
def weights(tiny: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of four classes."""
    assert isinstance(tiny.detector, STgramMFNConfig)
    network = STgramNetwork(tiny.detector, 4, rngs=nnx.Rngs(0))
    tensors = published_tensors(network, rules(network))
    path = tmp_path_factory.mktemp("weights") / "model.npz"
    np.savez(path, **{f"state_dict.{name}": tensor for name, tensor in tensors.items()})  # type: ignore[arg-type]
    return path


def test_from_a_weight_file_to_the_table(
    command: Any, tiny: Experiment, config_file: Any, prepared: Any, weights: Path, tmp_path: Path
) -> None:
    """The import names the next command, which needs nothing but the work directory."""
    data_dir = prepared("dcase2020", ["fan", "ToyCar"])
    workdir = tmp_path / "published"
    imported = succeed(
        command(
            "import_weights.py",
            "--detector=stgram_mfn",
            f"--weights={weights}",
            f"--workdir={workdir}",
            f"--config={config_file(tiny)}",
            "--dataset=2020",
            f"--data_dir={data_dir}",
            cwd=tmp_path,
        )
    )
    assert imported.splitlines() == [
        f"imported {workdir}/models/all",
        "clips are padded by reflection; --clip_ends=zeros for scores made with librosa 0.10 or newer",
        f"next: asd evaluate --workdir={workdir}",
    ]
    classes = ClassMap.load(workdir / "models" / "all" / "class_map.json").classes
    assert [machine_type for machine_type, _ in classes] == ["fan", "fan", "ToyCar", "ToyCar"]
    table = succeed(command("evaluate.py", f"--workdir={workdir}", cwd=tmp_path))
    assert re.search(r"ToyCar +id_02 +\d+\.\d\d +\d+\.\d\d", table)


def test_the_wrong_number_of_classes_and_its_cure(
    command: Any, tiny: Experiment, config_file: Any, prepared: Any, weights: Path, tmp_path: Path
) -> None:
    """Four classes on the data of two machine IDs: the message names the flag that helps."""
    data_dir = prepared("dcase2020", ["fan", "ToyCar"])
    line = (
        "import_weights.py",
        "--detector=stgram_mfn",
        f"--weights={weights}",
        "--workdir=published",
        f"--config={config_file(tiny)}",
        f"--data_dir={data_dir}",
        "--machine_types=fan",
    )
    status, output, errors = finish(command(*line, cwd=tmp_path))
    assert status == 1
    assert re.search(r"4 classes apart, the data have 2 .*--class_map=FILE", errors, re.DOTALL)
    assert "Traceback" not in output + errors
    assert not (tmp_path / "published").exists()
    by = ("machine_type", "section")
    named = ClassMap(by, tuple((name, i) for name in ("fan", "pump") for i in ("id_00", "id_02")))
    named.save(tmp_path / "classes.json")
    succeed(command(*line, "--class_map=classes.json", cwd=tmp_path))
    assert ClassMap.load(tmp_path / "published" / "models" / "all" / "class_map.json") == named


# What follows --detector=stgram_mfn, and what the one message must say.
MISTAKES = [
    ("--weights=none.pth", r"error: dcase2020 is not prepared in"),
    ("", r"give --weights=FILES"),
    ("--weights=w.npz --config=none.py", r"error: no configuration none\.py"),
    (
        "--weights=w.npz --class_order=random",
        r"--class_order=random: choose one of published, sorted",
    ),
    ("--weights=w.npz --class_map=broken.json", r"broken\.json is no class map as training writes"),
    ("--weights=w.npz --class_map=none.json", r"error: .*none\.json"),
    ("--weights=w.npz more", r"unknown arguments: more"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_answered_with_a_message_alone(
    command: Any, tmp_path: Path, arguments: str, message: str
) -> None:
    """No traceback, an exit status that a script notices, and no work directory."""
    (tmp_path / "broken.json").write_text('{"by": ["machine_type"]}')
    line = ("import_weights.py", "--detector=stgram_mfn", "--workdir=out", *arguments.split())
    status, output, errors = finish(command(*line, cwd=tmp_path))
    assert status == 1
    assert re.search(message, output + errors, re.DOTALL), output + errors
    assert "Traceback" not in output + errors
    assert not (tmp_path / "out").exists()


def test_an_unknown_system_is_answered_with_the_known_ones(command: Any, tmp_path: Path) -> None:
    line = ("import_weights.py", "--detector=resnet", "--weights=w.npz", "--workdir=out")
    status, output, errors = finish(command(*line, cwd=tmp_path))
    assert status == 1
    assert re.search(r"choose one of stgram_mfn, .*mobilenetv2, ", output + errors)
