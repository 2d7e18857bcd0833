"""How far a build is: a bar, a callback, or nothing."""

import contextlib
from collections.abc import Callable, Iterator

from tfds_dcase.bars import progress_bar

# True shows a bar; a function gets the phase, clips done, clips in all and bytes done.
Progress = bool | Callable[[str, int, int, int], None]


@contextlib.contextmanager
def reporting(progress: Progress, phase: str, total: int) -> Iterator[Callable[[int], None]]:
    """Opens a report on one phase.

    Args:
        progress: Where to report.
        phase: What is being done, `reading` or `checking`.
        total: Clips in all.

    Yields:
        The function to call after each clip with its bytes.
    """
    done = size = 0
    with progress_bar(desc=phase, total=total, unit="clips", disable=progress is not True) as bar:

        def on_clip(clip_size: int) -> None:
            nonlocal done, size
            done += 1
            size += clip_size
            bar.update()
            if bar.format_dict["elapsed"]:
                bar.set_postfix_str(f"{size / 1e6 / bar.format_dict['elapsed']:.0f} MB/s", False)
            if callable(progress):
                progress(phase, done, total, size)

        yield on_clip
