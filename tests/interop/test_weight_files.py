"""Weight files of every kind, read back by name; files that are no weights, and packages that are missing."""

import builtins
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd_jax.interop.weight_files import read_weights

h5py = pytest.importorskip("h5py")
safetensors_numpy = pytest.importorskip("safetensors.numpy")


def tensors(*names: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(2, 3)).astype(np.float32) for name in names}


def assert_same(ours: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert set(ours) == set(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(ours[name], tensor)


def test_npz_and_safetensors(tmp_path: Path) -> None:
    """Names come back as they are; doubles as singles, counters as whole numbers."""
    given = tensors("a.weight", "a.bias")
    np.savez(tmp_path / "w.npz", **given | {"double": np.ones(2), "counter": np.array(3)})  # type: ignore[arg-type]
    read = read_weights(tmp_path / "w.npz")
    assert read.pop("double").dtype == np.float32
    assert np.issubdtype(read.pop("counter").dtype, np.integer)
    assert_same(read, given)
    safetensors_numpy.save_file(given, tmp_path / "w.safetensors")
    assert_same(read_weights(tmp_path / "w.safetensors"), given)


def test_an_npz_that_carries_code_is_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"w\.npz is no archive of plain arrays"):
        read_weights(tmp_path / "w.npz")


def write_old_keras(path: Path, given: dict[str, np.ndarray], *, below: str, suffix: str) -> None:
    """As Keras 2 writes: `<layer>/<layer>/<variable>:0`, and the layers' names as an attribute."""
    with h5py.File(path, "w") as file:
        root = file.create_group(below) if below else file
        layers = sorted({name.split("/")[0] for name in given})
        root.attrs["layer_names"] = [layer.encode() for layer in ["input_1", *layers]]
        root.create_group("input_1")
        for name, tensor in given.items():
            layer, variable = name.split("/")
            root.create_dataset(f"{layer}/{layer}/{variable}{suffix}", data=tensor)
        if below:
            file.create_dataset("optimizer_weights/Adam/m:0", data=np.ones(3))


@pytest.mark.parametrize(
    ("ending", "below", "suffix"),
    [("w.hdf5", "model_weights", ":0"), ("w.h5", "", ":0"), ("w.weights.h5", "", "")],
)
def test_keras_files_by_layer_name(tmp_path: Path, ending: str, below: str, suffix: str) -> None:
    """A saved model's optimiser is left out."""
    given = tensors("dense_1/kernel", "dense_1/bias", "batch_normalization_1/moving_mean")
    write_old_keras(tmp_path / ending, given, below=below, suffix=suffix)
    assert_same(read_weights(tmp_path / ending), given)


def write_new_keras(file: Any, named: bool) -> None:
    """As Keras 3 writes: `layers/<class>_<number>/vars/<index>`, the layer's own name beside where it is new enough."""
    layers = {
        "conv2d": ("Conv1", ["kernel"]),
        "batch_normalization_2": (
            "bn_Conv1",
            ["gamma", "beta", "moving_mean", "moving_variance"],
        ),
        "dense": ("predictions", ["kernel", "bias"]),
        "re_lu": ("relu", []),
    }
    for own, (name, variables) in layers.items():
        group = file.create_group(f"layers/{own}/vars")
        if named:
            group.attrs["name"] = name
        for index, variable in enumerate(variables):
            group.create_dataset(str(index), data=np.full(2, len(variable) + index, np.float32))
    file.create_dataset("optimizer/vars/0", data=np.ones(3))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ending", ["w.weights.h5", "w.keras"])
def test_keras_3_files(tmp_path: Path, ending: str, named: bool) -> None:
    """Variables get their names by the kind of layer."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        write_new_keras(file, named)
    path = tmp_path / ending
    if ending == "w.keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.weights.h5", memory.getvalue())
    else:
        path.write_bytes(memory.getvalue())
    read = read_weights(path)
    conv, norm, dense = (
        ("Conv1", "bn_Conv1", "predictions")
        if named
        else ("conv2d", "batch_normalization_2", "dense")
    )
    variables = ("gamma", "beta", "moving_mean", "moving_variance")
    names = [f"{conv}/kernel", *(f"{norm}/{v}" for v in variables)]
    assert set(read) == {*names, f"{dense}/kernel", f"{dense}/bias"}
    np.testing.assert_array_equal(read[f"{norm}/moving_mean"], [13, 13])
    np.testing.assert_array_equal(read[f"{dense}/bias"], [5, 5])


@pytest.mark.parametrize("ending", ["npz", "safetensors", "h5", "keras"])
def test_a_damaged_file_is_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"w.{ending}"
    path.write_bytes(b"no weights at all, whatever the ending says")
    with pytest.raises(ValueError, match=rf"w\.{ending}"):
        read_weights(path)


def test_what_is_no_weight_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.npz does not exist: name a weight file"):
        read_weights(tmp_path / "none.npz")
    (tmp_path / "w.txt").write_text("")
    with pytest.raises(ValueError, match=r"w\.txt: give a file that ends in \.pt, "):
        read_weights(tmp_path / "w.txt")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(ValueError, match="holds no tensors"):
        read_weights(tmp_path / "empty.npz")


def huge_npz(path: Path) -> None:
    """A header that promises 80 GB before a few bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**10,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weight.npy", header.getvalue() + bytes(80))


def bomb_npz(path: Path) -> None:
    """Zeros that are deflated a thousand times."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("weight.npy", "w") as file:
            np.lib.format.write_array(file, np.zeros(10**7))


def complex_npz(path: Path) -> None:
    np.savez(path, weight=np.ones(3, np.complex64))


def records_npz(path: Path) -> None:
    np.savez(path, weight=np.zeros(3, [("a", "<f4"), ("b", "<i4")]))


def text_npz(path: Path) -> None:
    np.savez(path, weight=np.array(["1.0", "2.0"]))


def huge_keras(path: Path) -> None:
    """HDF5 stores nothing of a data set that was never written."""
    with h5py.File(path, "w") as file:
        file.create_dataset("dense/dense/kernel:0", shape=(10**5, 10**5), dtype="f4", chunks=True)


def keras_of_another_file(path: Path) -> None:
    other = path.with_name("secret")
    other.write_bytes(bytes(400))
    with h5py.File(path, "w") as file:
        file.create_dataset("dense/kernel:0", (100,), "f4", external=[(str(other), 0, 400)])


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("w.npz", huge_npz, r"says \[10000000000\] float64, but holds"),
        ("w.npz", bomb_npz, "made to exhaust it"),
        ("w.npz", complex_npz, "weight holds complex64, not real numbers"),
        ("w.npz", records_npz, "not real numbers"),
        ("w.npz", text_npz, "not real numbers"),
        ("w.h5", huge_keras, "made to exhaust it"),
        ("w.h5", keras_of_another_file, "takes its values from another file"),
        ("w.npz", lambda path: os.mkfifo(path), "is a pipe, not a file: name a weight file"),
        ("w.h5", lambda path: path.mkdir(), "is a folder, not a file: name a weight file"),
    ],
)
def test_a_file_that_asks_for_more_than_it_holds_is_refused(
    tmp_path: Path, name: str, write: Callable[[Path], None], told: str
) -> None:
    """One sentence that names the file, at once, and no gigabytes."""
    write(tmp_path / name)
    with pytest.raises(ValueError, match=told) as error:
        read_weights(tmp_path / name)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("ending", "package", "extra"),
    [("pth", "torch", "pytorch"), ("h5", "h5py", "keras"), ("safetensors",) * 3],
)
def test_a_missing_package_is_asked_for_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, package: str, extra: str
) -> None:
    path = tmp_path / f"w.{ending}"
    path.write_bytes(b"")
    real = builtins.__import__

    def blocked(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    def import_module(name: str) -> Any:
        return blocked(name)

    monkeypatch.setattr("asd_jax.interop.weight_files.importlib.import_module", import_module)
    with pytest.raises(ValueError, match=rf"needs {package}: pip install 'asd_jax\[{extra}\]'"):
        read_weights(path)


class TestPyTorch:
    """Checkpoints as PyTorch writes them."""

    @pytest.fixture
    def torch(self) -> Any:
        return pytest.importorskip("torch", reason="pip install torch reads PyTorch's own files")

    def test_nested_checkpoints(self, torch: Any, tmp_path: Path) -> None:
        """Dictionaries are joined with dots; settings and counters are left out, half precision is widened."""
        given = tensors("conv.weight", "conv.bias")
        state = {name: torch.from_numpy(tensor) for name, tensor in given.items()}
        torch.save(
            {"epoch": 3, "state_dict": state, "head": torch.ones(2, dtype=torch.float16)},
            tmp_path / "w.pth.tar",
        )
        read = read_weights(tmp_path / "w.pth.tar")
        head = read.pop("head")
        assert head.dtype == np.float32
        assert_same(read, {f"state_dict.{name}": tensor for name, tensor in given.items()})

    def test_pickled_code_is_not_run(self, torch: Any, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> tuple:
                return (Path.touch, (tmp_path / "trapped",))

        torch.save({"state_dict": {}, "trap": Trap()}, tmp_path / "w.pth")
        with pytest.raises(ValueError, match="whose code is not run"):
            read_weights(tmp_path / "w.pth")
        assert not (tmp_path / "trapped").exists()

    def test_a_tensor_alone_is_no_checkpoint(self, torch: Any, tmp_path: Path) -> None:
        torch.save(torch.ones(3), tmp_path / "w.pt")
        with pytest.raises(ValueError, match="holds a Tensor, not a state dict"):
            read_weights(tmp_path / "w.pt")

    @pytest.mark.parametrize(
        ("kind", "told"),
        [
            ("expanded", "an expanded tensor"),
            ("zero_stride", "an expanded tensor"),
            ("shared", "made to exhaust it"),
            ("cyclic", "without an end"),
            ("sparse", "is sparse"),
            ("quantised", "."),
            ("conjugate", "is complex"),
            ("meta", "."),
        ],
    )
    def test_tensors_that_are_no_plain_weights(
        self, torch: Any, tmp_path: Path, kind: str, told: str
    ) -> None:
        """Refused in one sentence that names the file, without gigabytes of memory."""
        one = torch.ones(1)
        state: dict[str, Any] = {"a.weight": torch.ones(3)}
        match kind:
            case "expanded":
                state["b"] = one.expand(10**10)
            case "zero_stride":
                state["b"] = torch.as_strided(one, (10**5, 10**5), (0, 0))
            case "shared":
                whole = torch.ones(10**5)
                state |= {f"b{i}": whole for i in range(1000)}
            case "cyclic":
                state["b"] = state
            case "sparse":
                state["b"] = torch.eye(3).to_sparse()
            case "quantised":
                state["b"] = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
            case "conjugate":
                state["b"] = torch.ones(3, dtype=torch.complex64).conj()
            case "meta":
                state["b"] = torch.ones(3, device="meta")
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(ValueError, match=told) as error:
            read_weights(tmp_path / "w.pth")
        assert "w.pth" in str(error.value)

    def test_what_is_no_tensor_is_named(
        self, torch: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A threshold or a mean that lies beside the tensors may matter for the score; an epoch does not."""
        torch.save({"w": torch.ones(2), "threshold": 3.5, "epoch": 4}, tmp_path / "w.pth")
        assert set(read_weights(tmp_path / "w.pth")) == {"w"}
        assert "no tensor: threshold. A published score" in caplog.text
        assert "epoch" not in caplog.text
