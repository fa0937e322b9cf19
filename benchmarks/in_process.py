"""A scenario's turns in one process and without ROS, for studies: sessions, trainings and true scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.evaluation import Evaluation, evaluate, held_out_goals
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.pilot import PilotConfig
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.rows import RowPacker
from turn_rl_ros.data.schema import row_dtype
from turn_rl_ros.learn.algorithms import find_algorithm
from turn_rl_ros.learn.config import TrainerConfig

HELD_OUT_SEED = 12345


@dataclass(frozen=True)
class Scenario:
    """A scenario file with its simulator, and changes on top."""

    env: Any
    behaviour: BehaviourConfig
    trainer: TrainerConfig
    own: Any
    ticks: int
    """Control periods of a session."""

    @classmethod
    def load(cls, name: str, task: dict[str, Any] | None = None, **trainer: Any) -> "Scenario":
        """An environment's scenario with `task` and `trainer` parameters changed; one seed unless they say more."""
        path = scenario_file(name)
        spec = make_spec({**scenario_section(path, "arm", "task"), **(task or {})})
        known = TrainerConfig.__dataclass_fields__
        values = {k: v for k, v in scenario_section(path, "trainer").items() if k in known}
        config = replace(from_mapping(TrainerConfig, values), **{"seeds": 1, **trainer})
        kind = find_algorithm(config.algorithm, spec.discrete)
        return cls(
            make_env(spec),
            from_mapping(BehaviourConfig, scenario_section(path, "executor", "behaviour")),
            config,
            from_mapping(kind.Config, scenario_section(path, "trainer", kind.name)),
            round(scenario_section(path, "director")["window_s"] * spec.rate_hz),
        )

    def session(self, policy: Policy | None, turn: int, seed: int) -> NDArray:
        """Record one session, as records of `schema.row_dtype`; without a policy at random."""
        rng = np.random.default_rng([seed, turn])
        behaviour = make_behaviour(self.env.task, self.behaviour, policy, rng)
        rows = run_session(self.env, behaviour, self.ticks, PilotConfig(seed=seed, session=turn))
        return RowPacker(row_dtype(self.env.task_spec)).table(rows)

    def dataset(self, sessions: Sequence[NDArray]) -> Dataset:
        """All sessions as one dataset."""
        return Dataset.from_rows(np.concatenate(sessions), self.env.task_spec)

    def score(self, policy: Policy, goals: int) -> Evaluation:
        """True score on held-out goals."""
        return evaluate(self.env, policy, held_out_goals(self.env.task, goals, HELD_OUT_SEED))
