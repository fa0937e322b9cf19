"""The wider suite: grids, arms and Gymnasium environments through the same turns, in one table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.scenario import SCENARIOS, scenario_file
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.learn.settings import read_settings
from turn_rl_ros.study.plan import Plan, read_plan

GRID = {"director.turns": 5, "director.window_s": 60.0, "director.evaluate_goals": 1}
"""Without chance and with one goal, every episode of a policy is the same: one tells all."""
ARM = {"director.turns": 3, "director.evaluate_goals": 50}

GYMNASIUM = {
    "hindsight_share": 0.0,
    "resample_share": 0.0,
    "discount": 0.97,
    "steps": 2000,
    "batch_size": 256,
    "one_hot": False,
    "width": 64,
    "learning_rate": 1e-3,
    "target_rate": 0.01,
    "n_step": 1,
}
"""Of the trainer, over the scenario file that lends the rest: there are no goals, and states are not cells."""


@dataclass(frozen=True)
class Problem:
    """A task of the suite."""

    what: str
    """In a few words."""
    measure: str
    """What is told of a policy: `success` or `mean_return`."""
    plan: Callable[[Mapping[str, Any]], Plan]
    """From changes of the scenario to everything that a run needs."""
    scale: float = 1.0
    """Of the rewards as recorded, against the task's own."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of the scenario, node first."""
    goal: float = 0.95
    """Share of the best known to be reached."""


def scenario(env: str, changes: Mapping[str, Any]) -> Plan:
    """The plan of a scenario file."""
    return read_plan(scenario_file(env), changes)


def gymnasium(id: str, changes: Mapping[str, Any]) -> Plan:
    """The plan of a Gymnasium environment. Raises ConfigError when there is none."""
    spec = make_spec({"kind": "gymnasium", "id": id, "reward_scale": REWARD_SCALES.get(id, 1.0)}, "--env")
    lender = scenario_file("gridworld" if spec.discrete else "panda")
    learning = {name.removeprefix("trainer."): v for name, v in changes.items() if name.startswith("trainer.")}
    plan = read_plan(lender, {k: v for k, v in changes.items() if not k.startswith("trainer.")})
    own: dict[str, Any] = {} if spec.discrete else {"cql.alpha_rule": "fixed"}
    settings = read_settings(lender, spec.discrete, {"seeds": 1, "deploy": "first", **GYMNASIUM, **own, **learning})
    return replace(plan, spec=spec, behaviour=BehaviourConfig(), settings=settings)


REWARD_SCALES = {"Pendulum-v1": 0.1}
"""Where the rewards of an environment are not of the size of 1."""

SUITE: dict[str, Problem] = {
    "maze": Problem("grid 19x19 with one way", "mean_return", partial(scenario, "gridworld_maze"), changes=GRID),
    "slippery": Problem("the study's grid, 20 % slip", "mean_return", partial(scenario, "gridworld_slippery"),
                        changes={**GRID, "director.evaluate_goals": 20}),
    "open": Problem("grid 40x40", "mean_return", partial(scenario, "gridworld_open"),
                    changes={**GRID, "director.window_s": 120.0}),
    "panda_ee": Problem("Panda, end-effector velocity", "success", partial(scenario, "panda_ee"),
                        changes={**ARM, "director.turns": 2}),
    "iiwa": Problem("KUKA iiwa, joint velocity", "success", partial(scenario, "iiwa"), changes=ARM),
    "panda_obstacle": Problem("Panda past a wall", "success", partial(scenario, "panda_obstacle"), changes=ARM,
                              goal=1.0),
    "Pendulum-v1": Problem("Gymnasium's pendulum", "mean_return", partial(gymnasium, "Pendulum-v1"), 0.1,
                           {"director.turns": 3, "director.window_s": 100.0, "director.evaluate_goals": 20}),
}  # fmt: skip
"""Name -> task; by default all are measured."""

SHORT = {"director.turns": 2, "director.window_s": 4.0, "director.evaluate_goals": 2, "trainer.steps": 10}


def choose(names: Sequence[str]) -> dict[str, Problem]:
    """The tasks of these names, all without one; what is no name of ours is asked of Gymnasium.

    Raises:
        ConfigError: neither knows it.
    """
    return {name: SUITE[name] if name in SUITE else _other(name) for name in names or SUITE}


def plans(problems: Mapping[str, Problem], short: bool) -> dict[str, Plan]:
    """The plan of each task; `short`: only whether it runs."""
    return {
        name: one.plan({**one.changes, **(SHORT | {"trainer.seeds": 1, "trainer.deploy": "first"} if short else {})})
        for name, one in problems.items()
    }


def _other(name: str) -> Problem:
    if name in SCENARIOS:
        grid = name.startswith("gridworld")
        return Problem(SCENARIOS[name], "mean_return" if grid else "success", partial(scenario, name))
    try:
        plan = gymnasium(name, {})
    except ConfigError as error:
        known = ", ".join({**SUITE, **SCENARIOS})
        raise ConfigError(f"--env {name}: {error}; known besides Gymnasium's: {known}") from error
    return Problem("from Gymnasium", "mean_return", partial(gymnasium, name), float(plan.spec.details["reward_scale"]))
