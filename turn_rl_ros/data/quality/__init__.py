"""Is recorded data good enough to learn from: figures, findings, coverage, drift, and one score.

`assess` is all of it; `inspect` only looks at single rows; `leakage` compares the parts of a split.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data import select
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.quality import acting, drift, episodes, motion, timing, values
from turn_rl_ros.data.quality.coverage import Coverage, coverage
from turn_rl_ros.data.quality.drift import Drift
from turn_rl_ros.data.quality.episodes import leak_checks, leakage
from turn_rl_ros.data.quality.figures import PolicyFigures, SessionFigures, policy_figures, session_figures
from turn_rl_ros.data.quality.finding import Check, Finding, NotApplicable, Place, Severity, run_check
from turn_rl_ros.data.quality.motion import JointMotion, joint_motion
from turn_rl_ros.data.quality.score import Score, score

__all__ = ["Finding", "Place", "Quality", "Severity", "assess", "inspect", "leakage"]

Say = Callable[[str], object]
Index = NDArray[np.int64]

CHECKS: tuple[Check, ...] = values.CHECKS + timing.CHECKS + motion.CHECKS + acting.CHECKS
TEST_SHARE, SPLIT_SEED = 0.2, 0
SPLIT_ROWS = 200_000
"""The split in which `assess` looks for leaks, and how many rows of it."""


@dataclass(frozen=True)
class Quality:
    """All that is known about a dataset."""

    sessions: list[SessionFigures]
    policies: list[PolicyFigures]
    findings: list[Finding]
    """The worst first."""
    skipped: dict[str, str]
    """Checks that have no meaning here, and why."""
    coverage: Coverage | None
    """None where not one row is sound."""
    drift: Drift | None
    """None with one session."""
    motion: list[JointMotion]
    score: Score

    def skipped_by_reason(self) -> dict[str, str]:
        """Reason -> the checks that it stopped, as one text."""
        reasons = dict.fromkeys(self.skipped.values())
        return {why: ", ".join(what for what, own in self.skipped.items() if own == why) for why in reasons}


def assess(data: Dataset, say: Say = lambda step: None) -> Quality:
    """Everything about a dataset; seconds for a million rows. `say` hears what is being worked on.

    Comparisons, coverage and drift look only at rows whose values are finite.
    """
    found, skipped = inspect(data, say)
    rows = np.flatnonzero(values.finite(data))
    sound = data if len(rows) == len(data) else select.take(data, rows) if len(rows) else None
    drifted = covered = None
    if sound:
        found += _run(episodes.CHECKS, sound, data, rows, skipped, say)
        say("drift between sessions")
        try:
            drifted = drift.drift(sound)
            found += _run(drift.checks(drifted), sound, data, rows, skipped, say)
        except NotApplicable as error:
            skipped["drift between sessions"] = str(error)
        found += _leaks(sound, data, rows, skipped, say)
        say("coverage")
        covered = coverage(sound)
    say("figures")
    found.sort(key=lambda one: -one.severity)
    return Quality(
        session_figures(data),
        policy_figures(data),
        found,
        skipped,
        covered,
        drifted,
        joint_motion(data),
        score(data, sound, found, covered),
    )


def inspect(data: Dataset, say: Say = lambda step: None) -> tuple[list[Finding], dict[str, str]]:
    """What the checks of single rows found; and those that have no meaning here, with the reason."""
    skipped: dict[str, str] = {}
    return _run(CHECKS, data, data, np.arange(len(data)), skipped, say), skipped


def _leaks(sound: Dataset, whole: Dataset, rows: Index, skipped: dict[str, str], say: Say) -> list[Finding]:
    """Leaks in a split of at most `SPLIT_ROWS` of the sound rows, so that it needs little memory."""
    starts, stops = sound.episode_bounds()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(starts))
    chosen = sound.episode[starts][order[np.cumsum((stops - starts)[order]) <= SPLIT_ROWS]]
    try:
        train, test = select.split(select.take(sound, np.isin(sound.episode, chosen)), TEST_SHARE, SPLIT_SEED)
    except DatasetError:
        skipped["leaks from training to test"] = "there are too few episodes to split"
        return []
    return _run(leak_checks(train), test, whole, rows[np.isin(sound.episode, test.episode)], skipped, say)


def _run(
    checks: tuple[Check, ...], part: Dataset, whole: Dataset, rows: Index, skipped: dict[str, str], say: Say
) -> list[Finding]:
    """Findings of `checks` in `part`, the rows `rows` of `whole`; adds to `skipped`."""
    found = []
    for check in checks:
        say(check.what)
        try:
            found.append(run_check(check, part, whole, rows))
        except NotApplicable as error:
            skipped[check.what] = str(error)
    return [one for one in found if one]
