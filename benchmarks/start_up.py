"""How long a help takes, beside what it would take if it imported JAX: python -m benchmarks.start_up"""

import statistics
import subprocess
import sys
import time

from asd_jax.cli import PROGRAM

REPEATS = 5


def seconds(*arguments: str) -> float:
    """Median wall time of a fresh Python."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Prints a line per command."""
    heavy = seconds("-c", "import asd_jax.config")
    print(f"{'import asd_jax.config':24} {heavy:6.2f} s")
    for name in ("", *PROGRAM.commands()):
        took = seconds("-m", "asd_jax", *([name] if name else []), "--help")
        print(f"{f'asd {name} --help':24} {took:6.2f} s, ratio {took / heavy:.2f}")


if __name__ == "__main__":
    main()
