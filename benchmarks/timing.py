"""Timing that a noisy machine does not fool: the contestants take turns, and medians are compared."""

import statistics
import time
from collections.abc import Callable, Mapping


def take_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Runs every contestant once a round, after one unmeasured round; returns each one's median in seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def print_rates(title: str, unit: str, amount: int, seconds: Mapping[str, float]) -> None:
    """Prints every contestant's rate, and how many times the first one's speed is each other's."""
    print(title)
    ours, *_ = seconds.values()
    for name, median in seconds.items():
        print(f"  {name:<42} {amount / median:9.1f} {unit}   {median / ours:5.2f} x our time")
