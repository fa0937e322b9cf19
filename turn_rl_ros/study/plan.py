"""Everything that a run in process needs to know, from a scenario file and what is changed in it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from turn_rl_ros.core.config import from_mapping, param, scenario_section
from turn_rl_ros.core.door import Disturbance
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.pilot import PilotConfig
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.turns import TurnsConfig
from turn_rl_ros.learn.settings import Settings, read_settings


@dataclass(frozen=True)
class First(Disturbance):
    """What is recorded in a simulator before the arm's first session; the other fields say how far it is off.

    These sessions are dated before turn 0 and cost no robot time. They are learnt from with all others, and the policy
    that comes of them alone acts in turn 0.
    """

    windows: int = param(0, "sessions of director.window_s each, of random motion", low=0, high=1000)


@dataclass(frozen=True)
class Plan:
    """Everything that a run in process needs to know."""

    spec: TaskSpec
    behaviour: BehaviourConfig
    pilot: PilotConfig
    guard: GuardConfig
    settings: Settings
    turns: TurnsConfig
    first: First


def read_plan(scenario: Path, changes: Mapping[str, Any] | None = None) -> Plan:
    """A scenario file with `changes` on top, named node first: `task.reward`, `trainer.cql.alpha`, `director.turns`.

    `first.*` is not a node's: see `First`.

    Raises:
        ConfigError: no such parameter, or a value that does not fit.
    """
    left = dict(changes or {})

    def take(head: str) -> dict[str, Any]:
        return {name.removeprefix(head): left.pop(name) for name in list(left) if name.startswith(head)}

    def part(kind: type[Any], node: str, block: str = "") -> Any:
        known = {item.name for item in fields(kind)}
        values = {k: v for k, v in scenario_section(scenario, node, block).items() if k in known}
        return from_mapping(kind, values | take(f"{node}.{block}." if block else f"{node}."), f"{scenario}, {node}")

    spec = make_spec({**scenario_section(scenario, "executor", "task"), **take("task.")})
    plan = Plan(
        spec,
        part(BehaviourConfig, "executor", "behaviour"),  # before the executor's own, whose names are shorter
        part(PilotConfig, "executor"),
        part(GuardConfig, "guard"),
        read_settings(scenario, spec.discrete, take("trainer.")),
        part(TurnsConfig, "director"),
        from_mapping(First, take("first."), "first"),
    )
    if left:
        known = "task.*, executor.*, guard.*, trainer.*, director.*, first.*"
        raise ConfigError(f"no node has {', '.join(left)}; known: {known}")
    return plan
