"""Scores of scorers that are fitted on training normals, group by group."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.scoring.clip_reports import Reports
from asd_jax.scoring.scorers import Scorer, build_scorer
from asd_jax.scoring.settings import FittedScore, ReferenceGroup

FOLDS = 5

Group = tuple[str, ...]
CentersOf = Callable[[ClipInfo], np.ndarray | None]
_GROUP_OF: dict[ReferenceGroup, Callable[[ClipInfo], Group]] = {
    "section": lambda clip: (clip.machine_type, clip.section),
    "machine_type": lambda clip: (clip.machine_type,),
    "all": lambda clip: (),
}


class GroupedScorer:
    """One scorer for each group of training normals: a section, a machine type, or all.

    Args:
        score: kind of scorer, what it compares, and how clips are grouped.
        centers_of: directions of a clip's class among the embeddings `[centres, features]`, from a class head with
            sub-centres: where a mixture starts.
        covariances: see `build_scorer`.
    """

    def __init__(
        self,
        score: FittedScore,
        centers_of: CentersOf | None = None,
        covariances: Sequence[np.ndarray] = (),
    ):
        self._kind, self._config = score
        self._centers_of = centers_of
        self._covariances = covariances
        self._group_of = _GROUP_OF[self._config.group]
        self._scorers: dict[Group, Scorer] = {}

    def fit(self, reports: Reports, clips: Sequence[ClipInfo]) -> "GroupedScorer":
        """Fits every group's scorer on the reports `[clips, ...]` of its training normals.

        Raises:
            ValueError: the detector does not report what the scorer compares.
        """
        samples = self._samples(reports)
        for group, members in self._members(clips).items():
            scorer = build_scorer(
                self._kind,
                self._config,
                self._centers([clips[i] for i in members]),
                self._covariances,
            )
            self._scorers[group] = scorer.fit(samples[members], [clips[i].domain for i in members])
        return self

    def score_samples(self, reports: Reports, clips: Sequence[ClipInfo]) -> np.ndarray:
        """Anomaly scores `[clips]`; a section without normals is compared with each one of its machine type.

        Raises:
            ValueError: there are no normals of a clip's machine type.
        """
        samples = self._samples(reports)
        scores = np.empty(len(clips))
        for group, members in self._members(clips).items():
            scorers = self._scorers_for(group)
            each = [scorer.score_samples(samples[members]) for scorer in scorers]
            scores[members] = np.min(each, axis=0)
        return scores

    def cross_fitted(self, reports: Reports, clips: Sequence[ClipInfo]) -> np.ndarray:
        """Scores `[clips]` of the normals themselves, each by a scorer that was fitted without it.

        A nearest neighbour would find the clip itself: a threshold on such scores would call every other clip an
        anomaly. A group of one clip has no other choice.
        """
        scores = np.empty(len(clips))
        folds = np.empty(len(clips), int)
        for members in self._members(clips).values():
            folds[members] = np.arange(len(members)) % min(FOLDS, len(members))
            if len(members) == 1:
                folds[members] = -1
        for fold in np.unique(folds):
            held_out = np.flatnonzero(folds == fold)
            kept = np.arange(len(clips)) if fold < 0 else np.flatnonzero(folds != fold)
            scorer = GroupedScorer(
                FittedScore(self._kind, self._config), self._centers_of, self._covariances
            )
            scorer.fit(_rows(reports, kept), [clips[i] for i in kept.tolist()])
            scores[held_out] = scorer.score_samples(
                _rows(reports, held_out), [clips[i] for i in held_out.tolist()]
            )
        return scores

    def _centers(self, clips: Sequence[ClipInfo]) -> np.ndarray | None:
        if self._centers_of is None:
            return None
        sections = {(clip.machine_type, clip.section): clip for clip in clips}
        found = [self._centers_of(clip) for clip in sections.values()]
        known = [centers for centers in found if centers is not None]
        return np.concatenate(known) if known else None

    def _samples(self, reports: Reports) -> np.ndarray:
        name = self._config.report
        if name not in reports:
            raise ValueError(
                f"the detector reports {', '.join(sorted(reports))}, not {name}, which {self._kind} compares: "
                "choose another evaluation.score or evaluation.scorer.report"
            )
        return reports[name]

    def _members(self, clips: Sequence[ClipInfo]) -> dict[Group, list[int]]:
        members: dict[Group, list[int]] = defaultdict(list)
        for i, clip in enumerate(clips):
            members[self._group_of(clip)].append(i)
        return members

    def _scorers_for(self, group: Group) -> list[Scorer]:
        if group in self._scorers:
            return [self._scorers[group]]
        found = [scorer for known, scorer in self._scorers.items() if known[:1] == group[:1]]
        if not found:
            raise ValueError(f"no training normals of {' '.join(group)} to compare its clips with")
        return found


def _rows(reports: Reports, rows: np.ndarray) -> Reports:
    return {name: values[rows] for name, values in reports.items()}
