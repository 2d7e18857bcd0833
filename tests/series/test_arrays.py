"""Series and labels from files: what is read, and how bad input is answered."""

from pathlib import Path

import numpy as np
import pytest

from asd_jax.series.arrays import Standardisation, read_labels, read_series, require_fit
from asd_jax.series.experiment import SeriesDataConfig

CONFIG = SeriesDataConfig()


def saved(folder: Path, name: str, content: np.ndarray | str) -> Path:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    return path


def test_npy_and_csv_give_the_same_series(tmp_path: Path) -> None:
    values = np.array([[1.5, 2.0], [3.0, 4.0]])
    for name, content in (
        ("a.npy", values),
        ("b.csv", "1.5,2\n3,4\n"),
        ("c.csv", "left,right\n1.5,2\n3,4\n"),
    ):
        np.testing.assert_array_equal(
            read_series(saved(tmp_path, name, content), CONFIG), values, err_msg=name
        )


def test_one_channel_may_come_as_a_vector_and_leading_columns_be_skipped(tmp_path: Path) -> None:
    assert read_series(saved(tmp_path, "a.npy", np.arange(5)), CONFIG).shape == (5, 1)
    stamped = saved(tmp_path, "b.csv", "time,x\n100,1\n200,2\n")
    np.testing.assert_array_equal(
        read_series(stamped, SeriesDataConfig(skip_columns=1)), [[1.0], [2.0]]
    )


def test_missing_numbers_are_an_error_unless_asked_to_be_zero(tmp_path: Path) -> None:
    path = saved(tmp_path, "gaps.csv", "1,2\n3,\n")
    with pytest.raises(ValueError, match=r"gaps\.csv holds 1 .* time step 1, channel 1: .*missing"):
        read_series(path, CONFIG)
    np.testing.assert_array_equal(
        read_series(path, SeriesDataConfig(missing="zero")), [[1.0, 2.0], [3.0, 0.0]]
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("inf.npy", np.array([[1.0], [np.inf]]), r"inf\.npy holds 1 numbers .*time step 1"),
        ("cube.npy", np.zeros((2, 2, 2)), r"cube\.npy has shape \(2, 2, 2\): a series is"),
        ("words.csv", "1,2\n1,2,3\n", r"words\.csv cannot be read as numbers"),
        ("letters.csv", "1,2\n1,b\n", r"letters\.csv holds 1 numbers that are not finite"),
        ("empty.npy", np.zeros((4, 0)), r"empty\.npy holds no channel"),
        ("data.txt", "1,2\n", r"data\.txt: give a \.npy or \.csv file"),
        ("pickled.npy", np.array([[{}]], dtype=object), r"pickled\.npy cannot be read"),
    ],
)
def test_what_is_no_series_is_refused(
    tmp_path: Path, name: str, content: np.ndarray | str, message: str
) -> None:
    """The message names the file; nothing pickled is ever loaded."""
    with pytest.raises(ValueError, match=message):
        read_series(saved(tmp_path, name, content), CONFIG)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.npy"):
        read_series(tmp_path / "gone.npy", CONFIG)


def test_labels_are_one_zero_or_one_a_time_step(tmp_path: Path) -> None:
    labels = saved(tmp_path, "labels.csv", "time,label\n100,0\n200,1\n")
    np.testing.assert_array_equal(read_labels(labels, 2), [False, True])
    with pytest.raises(ValueError, match=r"labels\.csv has labels of shape \(2,\) for 3 time"):
        read_labels(labels, 3)
    with pytest.raises(ValueError, match=r"other than 0 \(normal\) and 1"):
        read_labels(saved(tmp_path, "other.npy", np.array([0, 2])), 2)


def test_series_that_do_not_go_together_are_refused() -> None:
    first, second = Path("first.npy"), Path("second.npy")
    require_fit(first, second, ((100, 3), (100, 3)), 100)
    with pytest.raises(ValueError, match=r"first\.npy has 3 channels, second\.npy has 4"):
        require_fit(first, second, ((100, 3), (100, 4)), 100)
    with pytest.raises(ValueError, match=r"second\.npy has 99 time steps, fewer than one window"):
        require_fit(first, second, ((100, 3), (99, 3)), 100)


def test_standardised_training_has_mean_0_and_deviation_1() -> None:
    """A constant channel is only centred; another series is scaled by the training's statistics."""
    rng = np.random.default_rng(0)
    training = np.column_stack([rng.normal(5, 3, 200), np.full(200, 7.0)])
    standardise = Standardisation.of(training)
    scaled = standardise(training)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0], atol=1e-6)
    np.testing.assert_allclose(standardise(training + 3)[:, 1], 3)
