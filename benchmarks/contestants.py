"""Contestants that live in a process each: the threads and the allocator of one would slow the other down."""

import importlib.util
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType

Tasks = dict[str, Callable[[], object]]
"""What a contestant can be asked to do, by name; each call does the work and waits for it."""

_tasks: Tasks = {}


class Contestants:
    """Processes that take turns; use as a context manager.

    Args:
        makers: by the contestant's name, a module-level function that makes its tasks in its own process.
        arguments: of these functions.
    """

    def __init__(self, makers: Mapping[str, Callable[..., Tasks]], *arguments: object):
        _share_the_accelerator()
        processes = multiprocessing.get_context("spawn")
        self._pools = {
            name: ProcessPoolExecutor(1, processes, _prepare, (make, arguments))
            for name, make in makers.items()
        }

    def __enter__(self) -> "Contestants":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in self._pools.values():
            pool.shutdown()

    def take_turns(self, task: str, rounds: int) -> dict[str, float]:
        """Median seconds of a task by contestant.

        At each turn the task runs once before it is timed: while the others ran, a virtual machine may have taken back
        the memory that the last step gave free, and steps of a training follow one another.
        """
        seconds: dict[str, list[float]] = {name: [] for name in self._pools}
        for _ in range(rounds):
            for name, pool in self._pools.items():
                seconds[name].append(pool.submit(_time, task).result())
        return {name: statistics.median(times) for name, times in seconds.items()}


def device() -> tuple[str, str]:
    """JAX's backend and the kind of its first device, asked in a process that ends."""
    _share_the_accelerator()
    with multiprocessing.get_context("spawn").Pool(1) as asking:
        return asking.apply(_device)


def is_installed(module: str, package: str) -> bool:
    """Whether the alternative can be run; says so if not."""
    if importlib.util.find_spec(module) is not None:
        return True
    print(f"ours is timed alone: no {module} (pip install {package})")
    return False


def _share_the_accelerator() -> None:
    # Several processes use it: none may take all of its memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _prepare(make: Callable[..., Tasks], arguments: tuple[object, ...]) -> None:
    global _tasks
    _tasks = make(*arguments)


def _time(task: str) -> float:
    _tasks[task]()
    start = time.perf_counter()
    _tasks[task]()
    return time.perf_counter() - start


def _device() -> tuple[str, str]:
    import jax

    return jax.default_backend(), jax.devices()[0].device_kind
