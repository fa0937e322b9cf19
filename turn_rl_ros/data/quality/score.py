"""One score from 0 to 10 with its parts, and whether there is enough to train on.

Six parts, each from 0 to 1 and each rising when the data gets better, times a weight; the weights add up to 10. What
data offline learning needs is that of Schweighofer et al. 2022 ("A Dataset Perspective on Offline RL": state-action
coverage and trajectory quality) and of Hong et al. 2023 ("Harnessing Mixed Offline RL Datasets via Trajectory
Weighting": some episodes much better than the mean); the scales are this project's, from runs whose outcome is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turn_rl_ros.core.spec import Discrete
from turn_rl_ros.core.task import make_task
from turn_rl_ros.core.task.grid import Grid
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.chunks import by_chunks
from turn_rl_ros.data.quality.coverage import SUPPORTED, Coverage
from turn_rl_ros.data.quality.drift import OTHER_DYNAMICS
from turn_rl_ros.data.quality.episodes import CHECKS as COPIES
from turn_rl_ros.data.quality.figures import episodes_of
from turn_rl_ros.data.quality.finding import Finding, Severity, share
from turn_rl_ros.data.quality.values import has_reward

ROWS_PER_ACTION = 1_000
"""Rows that a continuous task needs for each element of its action."""
VISITS = 3
"""Visits that a grid needs of each move in each reachable cell."""
ENOUGH_EPISODES = 10
"""Episodes that saw success, and whole episodes, from which on these are well known."""
ENOUGH_SPREAD = 0.2
"""Spread of the better returns, as a share of their range, from which on episodes differ enough."""
DENSE = 0.2
"""What a reward with many values is worth where nobody came to the goal: it still tells better from worse."""
MANY_VALUES = 10
BAD_ROWS = 0.2
"""Share of wrong rows at which nothing of validity is left."""
WEAK, TOO_WEAK = 0.5, 0.15
"""A part below WEAK is named in the verdict; one below TOO_WEAK means that there is not enough to train on."""


@dataclass(frozen=True)
class Part:
    """One part of the score. `value` is 0 to 1."""

    name: str
    value: float
    weight: float
    because: str

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return self.value * self.weight


@dataclass(frozen=True)
class Score:
    """The parts and the sentence that sums them up."""

    parts: tuple[Part, ...]
    enough: bool
    verdict: str

    @property
    def total(self) -> float:
        """0 to 10."""
        return sum(part.points for part in self.parts)


def score(data: Dataset, sound: Dataset | None, findings: Sequence[Finding], covered: Coverage | None) -> Score:
    """The score of `data`, of which the rows `sound` are finite (None, and `covered` with it: not one)."""
    no_row = "no row is sound"
    parts = (
        _validity(data, findings),
        _size(data, covered, findings),
        _coverage(data, covered) if covered else Part("coverage", 0.0, 2.0, no_row),
        _reward(sound) if sound else Part("reward", 0.0, 1.5, no_row),
        _variety(sound) if sound else Part("variety", 0.0, 1.0, no_row),
        _consistency(data, findings),
    )
    return Score(parts, *_verdict(parts, findings))


def need(data: Dataset, covered: Coverage | None) -> tuple[int, str]:
    """Rows that the task needs by rule of thumb, and the rule."""
    if covered and isinstance(make_task(data.spec), Grid):
        moves = covered.cells[-1].reference
        return VISITS * moves, f"{VISITS} visits of each of {moves} moves"
    size = data.spec.action.size
    return ROWS_PER_ACTION * size, f"{ROWS_PER_ACTION} for each of {size} action{'' if size == 1 else 's'}"


def _validity(data: Dataset, findings: Sequence[Finding]) -> Part:
    bad = share((one for one in findings if one.severity is Severity.ERROR), len(data))
    return Part("validity", _limited(1 - bad / BAD_ROWS), 2.5, f"{_percent(bad)} of the rows have an error")


def _size(data: Dataset, covered: Coverage | None, findings: Sequence[Finding]) -> Part:
    names = {check.what for check in COPIES}
    rows = round(len(data) * (1 - share((one for one in findings if one.what in names), len(data))))
    needed, rule = need(data, covered)
    because = f"{rows:,} rows of the {needed:,} that the task needs ({rule})"
    return Part("size", _limited(np.sqrt(rows / needed)), 2.0, because)


def _coverage(data: Dataset, covered: Coverage) -> Part:
    """Cells and support, half each; on a grid cells alone, as all others lie within a move or two."""
    value = float(np.mean([_limited(cells.share / cells.enough) for cells in covered.cells]))
    seen = ", ".join(f"{_percent(cells.share)} of the {cells.against}" for cells in covered.cells)
    if isinstance(make_task(data.spec), Grid):
        return Part("coverage", value, 2.0, seen)
    support = f"{_percent(covered.supported)} of rows have another episode's row within {SUPPORTED} standard deviations"
    return Part("coverage", (value + covered.supported) / 2, 2.0, f"{seen}; {support}")


def _reward(data: Dataset) -> Part:
    """How often success was seen; half of that only counts when some episodes earned much more than others."""
    if np.ptp(data.rewards) == 0:
        return Part("reward", 0.0, 1.5, "the reward never changes")
    reached, what = _reached(data)
    spread, whole = _positive_spread(data)
    known = _limited(whole / ENOUGH_EPISODES)
    value = _limited(np.sqrt(reached / ENOUGH_EPISODES)) * (1 + known * _limited(spread / ENOUGH_SPREAD)) / 2
    if len(np.unique(data.rewards)) > MANY_VALUES:
        value = max(value, DENSE)
    because = f"{reached} episodes {what}; the better returns of {whole} whole ones spread by {spread:.2f}"
    return Part("reward", value, 1.5, because)


def _reached(data: Dataset) -> tuple[int, str]:
    """Episodes with a row as good as can be, and what that means here."""
    task = make_task(data.spec)
    if has_reward(task):
        best, what = by_chunks(task.success, data.next_joint_position, data.goal), "came to the goal"
    else:
        middle = (data.rewards.min() + data.rewards.max()) / 2
        best, what = data.rewards > middle, "earned more than the middle of all rewards"
    return int(np.logical_or.reduceat(best, data.episode_bounds()[0]).sum()), what


def _positive_spread(data: Dataset) -> tuple[float, int]:
    """Root of the return positive-sided variance (Hong et al. 2023), returns from 0 to 1; and how many are whole."""
    episodes = episodes_of(data)
    returns = episodes.returns[episodes.whole]
    if len(returns) < 2 or not np.ptp(returns) > 0:
        return 0.0, len(returns)
    unit = (returns - returns.min()) / np.ptp(returns)
    return float(np.sqrt((np.maximum(unit - unit.mean(), 0) ** 2).mean())), len(returns)


def _variety(data: Dataset) -> Part:
    """How evenly actions are used: entropy of discrete ones, spread of continuous ones against a uniform one."""
    if isinstance(data.spec.action, Discrete):
        used = np.bincount(data.actions, minlength=data.spec.action.size) / len(data)
        value = float(-(used * np.log(np.maximum(used, 1e-12))).sum() / np.log(max(2, len(used))))
        return Part("variety", _limited(value), 1.0, f"action entropy is {_percent(value)} of the largest")
    half = (np.asarray(data.spec.action.high) - np.asarray(data.spec.action.low)) / 2
    spread = np.std(data.actions, axis=0, dtype=np.float64) / np.maximum(half / np.sqrt(3), 1e-12)
    value = float(np.minimum(spread, 1).mean())
    return Part("variety", _limited(value), 1.0, f"actions spread {_percent(value)} as far as uniform ones")


def _consistency(data: Dataset, findings: Sequence[Finding]) -> Part:
    if len(data.sessions) < 2:
        return Part("consistency", 0.5, 1.0, "one session: nothing to compare with, so half")
    odd = sum(one.share for one in findings if one.what == OTHER_DYNAMICS)
    return Part("consistency", _limited(1 - 2 * odd), 1.0, f"{_percent(odd)} of rows are of sessions that behave oddly")


def _verdict(parts: Sequence[Part], findings: Sequence[Finding]) -> tuple[bool, str]:
    missing = [part for part in parts if part.value < TOO_WEAK and part.name != "consistency"]
    if missing:
        return False, "not enough: " + "; ".join(f"{part.name}: {part.because}" for part in missing)
    doubts = [part.name for part in parts if part.value < WEAK]
    errors = [one.what for one in findings if one.severity is Severity.ERROR]
    warnings = [one.what for one in findings if one.severity is Severity.WARNING]
    if not (doubts or errors or warnings):
        return True, "enough to train on"
    reasons = [f"first repair or leave out {', '.join(errors)}"] if errors else []
    reasons += [f"weak in {', '.join(doubts)}"] if doubts else []
    reasons += [f"look at {', '.join(warnings)}"] if warnings else []
    return True, "trainable, but " + "; ".join(reasons)


def _limited(value: float) -> float:
    return float(min(1.0, max(0.0, value)))


def _percent(part: float) -> str:
    percent = 100 * part
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"
