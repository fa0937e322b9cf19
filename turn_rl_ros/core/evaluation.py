"""Score the policy of a turn in the simulator, and keep the details in the run directory."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.behaviour import BehaviourConfig, SessionBehaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.rollout import Evaluation, evaluate, held_out_goals
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import PolicyStore
from turn_rl_ros.core.turns import Score, TurnsConfig

Progress = Callable[[int, int], None]


class RandomPolicy:
    """The random motion of a first session, as a policy: the lower bound of everything learnt."""

    def __init__(self, spec: TaskSpec, seed: int) -> None:
        self._behaviour = SessionBehaviour(spec, BehaviourConfig(), np.random.default_rng(seed), None, 0)
        self._steps, self._step = spec.episode_steps, 0

    def act(self, observation: NDArray[np.float32]) -> NDArray:
        """The next random action; a new episode starts every `episode_steps` calls."""
        if self._step % self._steps == 0:
            self._behaviour.begin(self._step // self._steps)
        self._step += 1
        return self._behaviour.act(observation)[0]


def evaluate_policy(
    spec: TaskSpec, policy: Policy | None, goals: int, seed: int, progress: Progress | None = None
) -> Evaluation:
    """Score a policy (None: random motion) on the first `goals` held-out goals of `seed`. Needs the simulator."""
    env = make_env(spec, seed)
    try:
        return evaluate(env, policy or RandomPolicy(spec, seed), held_out_goals(env.task, goals, seed), progress)
    finally:
        env.close()


def score_turn(spec: TaskSpec, config: TurnsConfig, turn: int, progress: Progress | None = None) -> Score:
    """Score the policy that acts in `turn` (0: random motion); details go to `evaluations/turn-NNN.json`.

    Raises:
        TurnRlError: the policy is missing or refused, or there is no simulator.
    """
    run_dir = Path(config.run_dir).expanduser()
    policy = None
    if turn:
        path = PolicyStore(run_dir).find(turn)
        if path is None:
            raise TurnRlError(f"{run_dir} has no policy of turn {turn}")
        policy = open_artifact(path.read_bytes(), spec).policy
    result = evaluate_policy(spec, policy, config.evaluate_goals, config.evaluate_seed, progress)
    facts = {
        "success_rate": result.success_rate,
        "mean_return": result.mean_return,
        "seed": config.evaluate_seed,
        "returns": np.round(result.returns, 6).tolist(),
        "final_distances": np.round(result.final_distances, 6).tolist(),
        "distances": np.round(result.distances, 6).tolist(),
    }
    target = run_dir / "evaluations" / f"turn-{turn:03d}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(facts), encoding="utf-8")
    return Score(result.success_rate, result.mean_return)
