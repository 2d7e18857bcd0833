"""Every detector's demo recipe on the simulated DCASE 2020 set: minutes, and mean AUC a machine type.

Trains and evaluates each `configs/demo*.py` with the launchers, one after the other, and prints a Markdown table.

python -m benchmarks.demos                  (all of them)
python -m benchmarks.demos demo_aegan_ad    (only this one)
"""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.evaluation.tables import result_rows

REPOSITORY = Path(__file__).parents[1]
RUNS = REPOSITORY / "runs" / "demos"


def run_demo(name: str) -> float:
    """Trains and evaluates a demo from the start; returns seconds."""
    workdir = RUNS / name
    shutil.rmtree(workdir, ignore_errors=True)
    start = time.perf_counter()
    config = f"--config=configs/{name}.py"
    for command in (["launch/train.py", config], ["launch/evaluate.py"]):
        subprocess.run(
            [sys.executable, *command, f"--workdir={workdir}"],
            check=True,
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
        )
    return time.perf_counter() - start


def auc_by_type(name: str) -> dict[str, float]:
    """Mean AUC over the machine IDs of each machine type, in percent."""
    rows = result_rows("dcase2020", read_clip_scores(RUNS / name / "results" / "development"))
    types = sorted({row.machine_type for row in rows}, key=str.lower)
    return {
        name: 100 * statistics.mean(row.metrics["AUC"] for row in rows if row.machine_type == name)
        for name in types
    }


def main() -> None:
    """Prints one line a demo."""
    names = sys.argv[1:] or sorted(path.stem for path in (REPOSITORY / "configs").glob("demo*.py"))
    header: list[str] = []
    for name in names:
        minutes = run_demo(name) / 60
        aucs = auc_by_type(name)
        if not header:
            header = ["recipe", *aucs, "mean AUC", "minutes"]
            print("| " + " | ".join(header) + " |")
            print("|" + " --- |" * len(header))
        cells = [*(f"{auc:.1f}" for auc in aucs.values())]
        mean = statistics.mean(aucs.values())
        print(
            f"| `{name}` | {' | '.join(cells)} | **{mean:.1f}** | {minutes:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
