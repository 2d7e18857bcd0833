"""Audio that is as it was published, but that a user should know of before training on it."""

import collections
import statistics
from collections.abc import Iterable, Iterator, Sequence

from tfds_dcase.examination import Examined, Levels
from tfds_dcase.findings import Finding
from tfds_dcase.index import ClipInfo

# One sample in a thousand at a limit of int16: a peak that only just reaches it stays below.
CLIPPED_SHARE = 1e-3
# A hundredth of full scale: converters in use have less, and a high-pass filter removes it.
OFFSET_STEPS = 328
# Published clips are 6 to 18 s long.
SHORT_SECONDS = 1.0
# Where so many clips of a machine type have one length, each other length is odd; where lengths
# vary, only those that differ from the median by more than this factor.
USUAL_SHARE = 0.9
USUAL_FACTOR = 2

SILENCE = "digital silence"
CONSTANT = "constant samples"
CLIPPED = "clipping"
OFFSET = "DC offset"
SHORT = "very short clips"
LENGTH = "unusual length"
TRAIN_AND_TEST = "the same audio in train and test of a machine type"
IN_SPLIT = "the same audio twice in a split"
ELSEWHERE = "the same audio in several machine types or stages"

ADVICE = {
    TRAIN_AND_TEST: "A detector has heard the test clip: its score says little.",
    IN_SPLIT: "They weigh twice.",
    ELSEWHERE: "Nothing need be done where the publisher used recordings again.",
    SILENCE: "All samples of a channel are 0: the microphone was off.",
    CONSTANT: "All samples of a channel are equal: the recording failed.",
    CLIPPED: f"More than {CLIPPED_SHARE:.1%} of the samples are at a limit of int16.",
    OFFSET: f"The mean is beyond {OFFSET_STEPS} of 32768 steps, 1 % of full scale.",
    SHORT: f"Shorter than {SHORT_SECONDS:.0f} s.",
    LENGTH: "Unlike the other clips of its machine type; detectors cut or repeat clips to one length.",
}
_IDS_LISTED = 4


def place(clip: ClipInfo) -> str:
    """Where a clip is, for messages."""
    return f"{clip.clip_id} (record {clip.position} of {clip.split})"


def seconds_of(clip: ClipInfo) -> float:
    """Length of a clip."""
    # A record of another program may state no rate at all.
    return clip.samples / max(clip.sample_rate, 1)


def is_constant(examined: Examined) -> bool:
    """Whether no channel has two different samples."""
    return all(levels.lowest == levels.highest for levels in examined.levels)


def remarks_on_clip(examined: Examined) -> Iterator[Finding]:
    """What is odd about one clip's audio."""
    clip = examined.clip
    for channel, levels in enumerate(examined.levels):
        name = f"channel {channel + 1}: " if len(examined.levels) > 1 else ""
        for kind, what in _odd_levels(levels):
            yield Finding(kind, place(clip), f"{name}{what}")
    if seconds_of(clip) < SHORT_SECONDS:
        yield Finding(SHORT, place(clip), f"{seconds_of(clip):.3f} s")


def _odd_levels(levels: Levels) -> Iterator[tuple[str, str]]:
    if levels.lowest == levels.highest:
        kind = CONSTANT if levels.highest else SILENCE
        yield kind, f"all samples are {levels.highest}"
        return
    if levels.at_limits > CLIPPED_SHARE:
        yield CLIPPED, f"{levels.at_limits:.2%} of the samples are clipped"
    if abs(levels.mean) > OFFSET_STEPS:
        yield OFFSET, f"the mean is {levels.mean:.0f}, {levels.mean / 32768:.1%} of full scale"


def remarks_on_lengths(clips: Iterable[ClipInfo]) -> Iterator[Finding]:
    """Clips whose length is unlike that of the other clips of their machine type."""
    machine_types = collections.defaultdict(list)
    for clip in clips:
        machine_types[clip.machine_type].append(clip)
    for of_type in machine_types.values():
        lengths = collections.Counter(clip.samples for clip in of_type)
        usual, times = lengths.most_common(1)[0]
        factor = 1 if times >= USUAL_SHARE * len(of_type) else USUAL_FACTOR
        if factor > 1:
            usual = statistics.median_low(clip.samples for clip in of_type)
        for clip in of_type:
            if clip.samples * factor < usual or clip.samples > usual * factor:
                others = "others have" if factor == 1 else "median is"
                what = f"{clip.samples} samples, the {others} {usual}"
                yield Finding(LENGTH, place(clip), what)


def remarks_on_duplicates(clips: Iterable[ClipInfo]) -> Iterator[Finding]:
    """Clips that have the same samples, by content hash."""
    same = collections.defaultdict(list)
    for clip in clips:
        same[clip.content_hash].append(clip)
    for group in same.values():
        if len(group) > 1:
            others = [clip.clip_id for clip in group[1 : 1 + _IDS_LISTED]]
            if len(group) > 1 + _IDS_LISTED:
                others.append(f"{len(group) - 1 - _IDS_LISTED} more")
            yield Finding(_kind(group), group[0].clip_id, f"is also {', '.join(others)}")


def _kind(group: Sequence[ClipInfo]) -> str:
    parts = collections.defaultdict(set)
    for clip in group:
        parts[clip.machine_type].add(clip.split.split("_")[1:2] == ["train"])
    if any(len(of_type) > 1 for of_type in parts.values()):
        return TRAIN_AND_TEST
    splits = {clip.split for clip in group}
    return IN_SPLIT if len(splits) < len(group) else ELSEWHERE
