"""Size, return and success of each session, and of each policy in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import BEHAVIOURS
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality.acting import causes
from turn_rl_ros.data.quality.finding import session_bounds, session_names
from turn_rl_ros.data.quality.values import has_reward


@dataclass(frozen=True)
class Outcome:
    """Some rows; undiscounted return and success over whole episodes, NaN where there is none or nobody can tell."""

    rows: int
    episodes: int
    mean_return: float
    success_rate: float
    changed: float
    """Share of rows that the guard changed."""


@dataclass(frozen=True)
class SessionFigures:
    """One session."""

    name: str
    turn: int
    seconds: float
    outcome: Outcome
    stop_reason: str
    dropped: int
    behaviours: dict[str, float]
    """Share of rows by what chose the action."""
    interventions: dict[str, int]
    """Rows by why the guard changed them."""


@dataclass(frozen=True)
class PolicyFigures:
    """One way of acting: a policy, and whether it acted alone, with exploration, or at random."""

    policy: str
    behaviour: str
    outcome: Outcome


@dataclass(frozen=True)
class Episodes:
    """All episodes: bounds, undiscounted return, success in the last row (NaN: nobody can tell), whole or cut."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    returns: NDArray[np.float64]
    success: NDArray[np.float64]
    whole: NDArray[np.bool_]


def episodes_of(data: Dataset) -> Episodes:
    """One entry an episode. Whole is what the task ended, or what lasted as long as the task lets it."""
    starts, stops = data.episode_bounds()
    last = stops - 1
    task = make_task(data.spec)
    success = np.full(len(last), np.nan)
    if has_reward(task):
        success[:] = task.success(data.next_joint_position[last], data.goal[last])
    limit = data.step[last] == data.spec.episode_steps - 1
    whole = data.terminals[last] | (limit if has_reward(task) else data.timeouts[last])
    return Episodes(starts, stops, np.add.reduceat(data.rewards.astype(np.float64), starts), success, whole)


def session_figures(data: Dataset) -> list[SessionFigures]:
    """A line for each session."""
    episodes = episodes_of(data)
    lines = []
    for index, (name, (start, stop)) in enumerate(zip(session_names(data), session_bounds(data), strict=True)):
        facts = data.sessions[index].facts if data.sessions else {}
        shares = {behaviour_name(code): share for code, share in _shares(data.behaviour[start:stop])}
        lines.append(
            SessionFigures(
                name=name,
                turn=int(facts.get("turn", -1)),
                seconds=(stop - start) * data.spec.period_s,
                outcome=_outcome(data, episodes, data.session == index),
                stop_reason=str(facts.get("stop_reason", "")),
                dropped=int(sum(facts.get("drops", {}).values())),
                behaviours=shares,
                interventions=causes(data.intervention[start:stop]),
            )
        )
    return lines


def policy_figures(data: Dataset) -> list[PolicyFigures]:
    """A line for each policy and behaviour, in order of appearance."""
    episodes = episodes_of(data)
    policies = [_policy(info.facts) for info in data.sessions] or ["unknown"]
    lines = []
    for policy in dict.fromkeys(policies):
        own = np.array([one == policy for one in policies])[data.session]
        for code, _ in _shares(data.behaviour[own]):
            outcome = _outcome(data, episodes, own & (data.behaviour == code))
            lines.append(PolicyFigures(policy, behaviour_name(code), outcome))
    return lines


def behaviour_name(code: int) -> str:
    """Name of an entry of `Transition.behaviour`."""
    return BEHAVIOURS[code] if 0 <= code < len(BEHAVIOURS) else "unknown"


def _outcome(data: Dataset, episodes: Episodes, rows: NDArray[np.bool_]) -> Outcome:
    own = rows[episodes.starts]
    whole = own & episodes.whole
    known = whole & np.isfinite(episodes.success)
    return Outcome(
        int(rows.sum()),
        int(own.sum()),
        float(episodes.returns[whole].mean()) if whole.any() else np.nan,
        float(episodes.success[known].mean()) if known.any() else np.nan,
        float((data.intervention[rows] != 0).mean()) if rows.any() else np.nan,
    )


def _shares(codes: NDArray[np.int32]) -> Iterator[tuple[int, float]]:
    found, counts = np.unique(codes, return_counts=True)
    return ((int(code), int(count) / len(codes)) for code, count in zip(found, counts, strict=True))


def _policy(facts: Mapping[str, Any]) -> str:
    if not facts["policy_sha256"]:
        return "none"
    turn = f"turn {facts['policy_turn']}, " if facts["policy_turn"] >= 0 else ""
    return f"{turn}{facts['policy_sha256'][:8]}"
