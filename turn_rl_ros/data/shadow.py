"""What a policy would have done where something else acted: from sessions, or as the shadow node wrote it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.artifact import Artifact
from turn_rl_ros.core.behaviour import BEHAVIOURS, HOMING
from turn_rl_ros.core.disagreement import action_names, disagreement
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.errors import DatasetError
from turn_rl_ros.data.reading import count_on

Progress = Callable[[list[int]], Iterable[int]]


@dataclass(frozen=True)
class Comparison:
    """A policy beside n recorded decisions, in the order of time; the way home is left out, as no policy drives it."""

    spec: TaskSpec
    policy: str
    """Which policy, in words."""
    episode: NDArray[np.int64]
    behaviour: NDArray[np.int32]
    """(n,) index into `core.behaviour.BEHAVIOURS`."""
    disagreement: NDArray[np.float64]
    """(n, actions), `core.disagreement`."""

    def by_action(self) -> dict[str, tuple[float, float]]:
        """Mean and 90 % quantile for each action."""
        names = action_names(self.spec)
        pairs = zip(self.disagreement.mean(axis=0), np.quantile(self.disagreement, 0.9, axis=0), strict=True)
        return {name: (float(mean), float(high)) for name, (mean, high) in zip(names, pairs, strict=True)}

    def by_behaviour(self) -> dict[str, tuple[int, float]]:
        """Decisions, and their mean over all actions, for each behaviour that was recorded."""
        mean = self.disagreement.mean(axis=1)
        groups = {who: self.behaviour == who for who in np.unique(self.behaviour).tolist()}
        return {who_is(who): (int(of.sum()), float(mean[of].mean())) for who, of in groups.items()}

    def by_episode(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
        """For each episode when it began, in minutes of compared time, its mean over all actions, and its behaviour."""
        starts = np.flatnonzero(np.diff(self.episode, prepend=self.episode[0] - 1))
        counts = np.diff(starts, append=len(self.episode))
        mean = np.add.reduceat(self.disagreement.mean(axis=1), starts) / counts
        minutes = starts.astype(np.float64) * self.spec.period_s / 60.0
        return minutes, mean, self.behaviour[starts]


def who_is(behaviour: int) -> str:
    """A behaviour's name; imported data does not say what acted."""
    return BEHAVIOURS[behaviour] if 0 <= behaviour < len(BEHAVIOURS) else "unknown"


def compare(data: Dataset, artifact: Artifact, progress: Progress = iter) -> Comparison:
    """Ask a policy wherever something acted in a dataset. Raises DatasetError where nothing did."""
    kept = np.flatnonzero(data.behaviour != HOMING)
    actions = np.array([artifact.policy.act(data.observations[row]) for row in progress(kept.tolist())])
    return _comparison(
        data.spec,
        f"policy of turn {artifact.turn} ({artifact.sha256[:12]})",
        data.episode[kept],
        data.behaviour[kept],
        actions,
        data.actions[kept],
    )


def read_comparison(path: Path) -> Comparison:
    """What the shadow node wrote; a last line that a kill cut is left out. Raises DatasetError."""
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        facts = json.loads(head)
        spec = TaskSpec.from_json(facts["task_spec"])
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        rows = [row for row in rows if row["behaviour"] != HOMING]
        # Episodes begin anew with each window.
        order = np.array([(row["window"], row["episode"]) for row in rows], dtype=np.int64).reshape(-1, 2)
        episode = count_on(order @ np.array([2**32, 1]), 0)
        policy = f"policy of turn {facts['turn']} ({facts['policy_sha256'][:12]})"
        behaviour = np.array([row["behaviour"] for row in rows], dtype=np.int32)
        actions, recorded = (np.array([row[name] for row in rows]) for name in ("policy", "recorded"))
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, TurnRlError) as error:
        raise DatasetError(f"{path} is not what the shadow node writes: {error}") from error
    return _comparison(spec, policy, episode, behaviour, actions, recorded)


def _comparison(
    spec: TaskSpec, policy: str, episode: NDArray, behaviour: NDArray, actions: NDArray, recorded: NDArray
) -> Comparison:
    if not len(episode):
        raise DatasetError("there is no decision to compare the policy with, but for the way home")
    return Comparison(spec, policy, episode, behaviour, disagreement(spec, actions, recorded))
