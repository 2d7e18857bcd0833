"""Contestants that live in a process each: the threads and the allocator of one would slow the other down."""

import functools
import importlib.util
import multiprocessing
import os
from collections.abc import Callable, Mapping
from types import TracebackType

from benchmarks.timing import take_turns

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
            name: processes.Pool(1, _prepare, (make, arguments)) for name, make in makers.items()
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
            pool.terminate()

    def take_turns(self, task: str, rounds: int) -> dict[str, float]:
        """Median seconds of a task by contestant."""
        return take_turns(
            {
                name: functools.partial(pool.apply, _do, (task,))
                for name, pool in self._pools.items()
            },
            rounds,
        )


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


def _do(task: str) -> None:
    _tasks[task]()


def _device() -> tuple[str, str]:
    import jax

    return jax.default_backend(), jax.devices()[0].device_kind
