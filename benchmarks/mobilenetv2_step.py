"""MobileNetV2's training step and inference against Keras: python -m benchmarks.mobilenetv2_step

Keras is the baseline's own framework (pip install tensorflow-cpu); without it ours is timed alone. Each contestant
lives in a process of its own, since the threads and the allocator of one slow the other down, and they take turns.
"""

import functools
import importlib.util
import multiprocessing
import os
from collections.abc import Callable

import numpy as np

from benchmarks.timing import print_rates, take_turns

_BATCH = 32
_FRAMES, _MELS = 64, 128
_CLASSES = 6
_PUBLISHED_STEP_SECONDS = 0.098
_STEPS = 5

_run: Callable[[], object]


def main() -> None:
    """Images of 64 frames and 128 mel bands: forward, backward and Adam; then the classification alone."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    processes = multiprocessing.get_context("spawn")
    with processes.Pool(1) as asking:
        kind = asking.apply(_device)
    for title, train in (("training step", True), ("inference", False)):
        contestants: dict[str, Callable[[], object]] = {}
        pools = []
        for name, prepare in _contestants().items():
            pools.append(processes.Pool(1, prepare, (train,)))
            contestants[name] = functools.partial(pools[-1].apply, _take_turn)
        seconds = take_turns(contestants, rounds=15)
        for pool in pools:
            pool.terminate()
        print_rates(
            f"MobileNetV2 {title}, batch {_BATCH}, {kind}", "images/s", _BATCH * _STEPS, seconds
        )
        if train:
            milliseconds = {name: 1e3 * each / _STEPS for name, each in seconds.items()}
            print(
                f"  a step: {', '.join(f'{name} {ms:.0f} ms' for name, ms in milliseconds.items())}"
            )
    print(
        f"  Keras took {1e3 * _PUBLISHED_STEP_SECONDS:.0f} ms a step on two quiet cores like those of our "
        "measurements"
    )


def _contestants() -> dict[str, Callable[[bool], None]]:
    if importlib.util.find_spec("tensorflow") is None:
        print("TensorFlow is not installed (pip install tensorflow-cpu): ours is timed alone")
        return {"asd_jax": _prepare_ours}
    return {"asd_jax": _prepare_ours, "Keras on TensorFlow": _prepare_keras}


def _device() -> str:
    import jax

    return jax.devices()[0].device_kind


def _take_turn() -> None:
    for _ in range(_STEPS):
        _run()


def _images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(-40, 20, (_BATCH, _FRAMES, _MELS)).astype(np.float32)
    return images, rng.integers(0, _CLASSES, _BATCH).astype(np.int32)


def _prepare_ours(train: bool) -> None:
    global _run
    import jax

    from asd_jax.detectors.mobilenetv2 import MobileNetV2Baseline, MobileNetV2Config

    images, labels = _images()
    detector = MobileNetV2Baseline(MobileNetV2Config(), _CLASSES)
    state = jax.jit(detector.init)(jax.random.key(0))
    learn = jax.jit(detector.learn, donate_argnums=0)

    @jax.jit
    def classify(state, images):
        network = detector.network(state.params, state.statistics)
        return jax.nn.softmax(network(images, train=False).logits)

    def step() -> None:
        nonlocal state
        state, metrics = learn(state, images, labels)
        jax.block_until_ready((state, metrics))

    _run = step if train else lambda: np.asarray(classify(state, images))


def _prepare_keras(train: bool) -> None:
    global _run
    import keras
    import tensorflow as tf

    images, labels = _images()
    grey = keras.Input((_FRAMES, _MELS, 1))
    model = keras.applications.MobileNetV2(
        input_tensor=keras.layers.Concatenate()([grey] * 3),
        alpha=0.5,
        weights=None,
        classes=_CLASSES,
    )
    model.compile(keras.optimizers.Adam(1e-5), "categorical_crossentropy")
    one_hot = np.eye(_CLASSES, dtype=np.float32)[labels]
    # A traced function is faster than `predict`.
    classify = tf.function(lambda images: model(images, training=False))

    def step() -> None:
        model.train_on_batch(images[..., None], one_hot)

    _run = step if train else lambda: classify(tf.constant(images[..., None])).numpy()


if __name__ == "__main__":
    main()
