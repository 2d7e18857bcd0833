"""MobileNetV2's training step and inference against Keras: python -m benchmarks.mobilenetv2_step

Keras is the baseline's own framework (pip install tensorflow-cpu); without it ours is timed alone. Each contestant
lives in a process of its own, and they take turns.
"""

import os
from collections.abc import Callable

import numpy as np

from benchmarks.contestants import Contestants, Tasks, device, is_installed
from benchmarks.timing import print_rates

_BATCH = 32
_FRAMES, _MELS = 64, 128
_CLASSES = 6
_PUBLISHED_STEP_SECONDS = 0.098
_STEPS = 5


def main() -> None:
    """Images of 64 frames and 128 mel bands: forward, backward and Adam; then the classification alone."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _, kind = device()
    makers: dict[str, Callable[..., Tasks]] = {"asd_jax": _ours}
    if is_installed("tensorflow", "tensorflow-cpu"):
        makers["Keras on TensorFlow"] = _keras
    with Contestants(makers) as contestants:
        for task, title in (("step", "training step"), ("classify", "inference")):
            seconds = contestants.take_turns(task, rounds=15)
            print_rates(
                f"MobileNetV2 {title}, batch {_BATCH}, {kind}", "images/s", _BATCH * _STEPS, seconds
            )
            if task == "step":
                each = (f"{name} {1e3 * s / _STEPS:.0f} ms" for name, s in seconds.items())
                print(f"  a step: {', '.join(each)}")
    print(
        f"  Keras took {1e3 * _PUBLISHED_STEP_SECONDS:.0f} ms a step on two quiet cores like those of our "
        "measurements"
    )


def _repeated(run: Callable[[], object]) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(_STEPS):
            run()

    return repeat


def _images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(-40, 20, (_BATCH, _FRAMES, _MELS)).astype(np.float32)
    return images, rng.integers(0, _CLASSES, _BATCH).astype(np.int32)


def _ours() -> Tasks:
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

    def classify_all() -> None:
        np.asarray(classify(state, images))

    return {"step": _repeated(step), "classify": _repeated(classify_all)}


def _keras() -> Tasks:
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

    def classify_all() -> None:
        classify(tf.constant(images[..., None])).numpy()

    return {"step": _repeated(step), "classify": _repeated(classify_all)}


if __name__ == "__main__":
    main()
