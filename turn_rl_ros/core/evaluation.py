"""A policy on held-out goals in the simulator; the details of a turn's score go to the run directory."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import PolicyStore
from turn_rl_ros.core.task import Task
from turn_rl_ros.core.turns import Score, TurnsConfig

Progress = Callable[[int, int], None]


class Env(Protocol):
    """The part of `sim.env.ArmEnv` (Gymnasium's API) that an evaluation needs."""

    task: Task

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode at home, with the goal in options["goal"]."""
        ...

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One control period."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """A policy on n held-out goals, one episode each, from home, without exploration."""

    success_rate: float
    mean_return: float
    final_distances: NDArray[np.float64]
    """(n,) metres from the goal when the episode ends."""
    distances: NDArray[np.float64]
    """(n, steps + 1) metres, before the first step and after each; NaN after an early end."""
    returns: NDArray[np.float64]
    """(n,) undiscounted."""
    seed: int = 0
    """Of the goals."""

    def to_json(self) -> str:
        """As `evaluations/turn-NNN.json` has it, to a micrometre."""
        lists = {k: np.round(v, 6).tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}
        return json.dumps(lists)

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """The other way. Raises KeyError, ValueError, TypeError for anything else."""
        values = json.loads(text)
        return cls(
            success_rate=float(values["success_rate"]),
            mean_return=float(values["mean_return"]),
            final_distances=np.array(values["final_distances"], dtype=np.float64),
            distances=np.array(values["distances"], dtype=np.float64),
            returns=np.array(values["returns"], dtype=np.float64),
            seed=int(values["seed"]),
        )


class RandomPolicy:
    """The random motion of a first session, as a policy: the lower bound of everything learnt."""

    def __init__(self, task: Task, seed: int) -> None:
        self._behaviour = make_behaviour(task, BehaviourConfig(), None, np.random.default_rng(seed))
        self._steps, self._step = task.spec.episode_steps, 0

    def act(self, observation: NDArray[np.float32]) -> NDArray:
        """The next random action; a new episode starts every `episode_steps` calls."""
        if self._step % self._steps == 0:
            self._behaviour.begin(self._step // self._steps)
        self._step += 1
        return self._behaviour.act(observation)[0]


def held_out_goals(task: Task, count: int, seed: int) -> list[NDArray[np.float64]]:
    """The first `count` goals of a seed stream that no session draws from, (3,) metres each."""
    rng = np.random.default_rng([seed, 0x60A1])
    return [task.sample_goal(rng) for _ in range(count)]


def evaluate(
    env: Env, policy: Policy, goals: Sequence[NDArray[np.float64]], progress: Progress | None = None
) -> Evaluation:
    """Run one episode a goal. `progress` is told (goals done, goals); what it raises ends the evaluation."""
    steps = env.task.spec.episode_steps
    distances = np.full((len(goals), steps + 1), np.nan)
    returns, success = np.zeros(len(goals)), np.zeros(len(goals), dtype=bool)
    final = np.zeros(len(goals))
    for index, goal in enumerate(goals):
        observation, info = env.reset(seed=index, options={"goal": goal})
        distances[index, 0] = info["distance"]
        for step in range(steps):
            observation, reward, terminated, truncated, info = env.step(policy.act(observation))
            distances[index, step + 1] = info["distance"]
            returns[index] += reward
            if terminated or truncated:
                break
        final[index] = info["distance"]
        success[index] = info["is_success"]
        if progress is not None:
            progress(index + 1, len(goals))
    return Evaluation(float(success.mean()), float(returns.mean()), final, distances, returns)


def evaluate_policy(
    spec: TaskSpec, policy: Policy | None, goals: int, seed: int, progress: Progress | None = None
) -> Evaluation:
    """Score a policy (None: random motion) on the first `goals` held-out goals of `seed`. Needs the simulator."""
    env = make_env(spec, seed)
    try:
        acting = policy or RandomPolicy(env.task, seed)
        return replace(evaluate(env, acting, held_out_goals(env.task, goals, seed), progress), seed=seed)
    finally:
        env.close()


def score_turn(spec: TaskSpec, config: TurnsConfig, turn: int, progress: Progress | None = None) -> Score:
    """Score the policy that acts in `turn` (0: random motion); details go to `evaluations/turn-NNN.json`.

    Raises:
        TurnRlError: the policy is missing or refused, there is no simulator, or the disk refuses.
    """
    run_dir = Path(config.run_dir).expanduser()
    policy = None
    if turn:
        path = PolicyStore(run_dir).find(turn)
        if path is None:
            raise TurnRlError(f"{run_dir} has no policy of turn {turn}")
        policy = open_artifact(path.read_bytes(), spec).policy
    result = evaluate_policy(spec, policy, config.evaluate_goals, config.evaluate_seed, progress)
    target = run_dir / "evaluations" / f"turn-{turn:03d}.json"
    try:
        replace_file(target, result.to_json().encode())
    except OSError as error:
        raise TurnRlError(f"cannot write {target}: {error.strerror}; make room, then start again to resume") from error
    return Score(result.success_rate, result.mean_return)
