"""What each lever of the GridWorld study is worth, alone and together, and how far our reading of it matters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from turn_rl_ros.study.grid import READING, STUDY, methods
from turn_rl_ros.study.grid_crew import Method

SIZES = (1000, 2000, 4000)
"""Budgets of the levers: beyond, nearly everything reaches the optimum."""
READ_AT = (4000, 10000)
"""Budgets at which the readings of the study are compared."""


@dataclass(frozen=True)
class Lever:
    """One line of the table."""

    group: str
    method: Method
    task: Mapping[str, Any]
    sizes: tuple[int, ...]


def levers() -> list[Lever]:
    """Defaults first, each lever alone from there; then the study, its levers alone, and the readings of it."""
    ours = replace(methods()[0], name="our defaults")
    acts = ours.behaviour

    def alone(group: str, name: str, behaviour: Mapping[str, Any] | None = None, **changes: Any) -> Lever:
        return Lever(
            group, replace(ours, name=name, behaviour=replace(acts, **(behaviour or {})), **changes), {}, SIZES
        )

    def read(name: str, behaviour: Mapping[str, Any] | None = None, **changes: Any) -> Lever:
        method = replace(STUDY, name=name, behaviour=replace(READING, **(behaviour or {})), **changes)
        return Lever("the study, as read", method, {}, READ_AT)

    random = {"random_share": 1.0, "policy_share": 0.0}
    epsilon = {"policy_share": 0.0, "search_share": 0.0}
    return [
        Lever("defaults", ours, {}, SIZES),
        alone("what acts", "random moves", random),
        alone("what acts", "random moves that do not stick", random | {"stickiness": 0.0}),
        alone("what acts", "the policy, a tenth of moves random", epsilon | {"epsilon": 0.1}),
        alone("what acts", "the policy, half of moves random", epsilon | {"epsilon": 0.5}),
        alone("what acts", "search that forgets between sessions", remember=False),
        alone("what acts", "search without foresight", {"foresight": False}),
        alone("what acts", "search, 20 random moves after each find", {"walk_steps": 20}),
        alone("how much", "half of the episodes by the policy", {"policy_share": 0.5}),
        alone("how much", "half of the episodes random", {"random_share": 0.5}),
        alone("how much", "search in every episode", {"policy_share": 0.0}),
        *(alone("turns", f"{turns} turns" if turns > 1 else "no turns", turns=turns) for turns in (1, 3, 5, 20)),
        *(alone("conservatism", f"alpha {alpha:g}", alpha=alpha) for alpha in (0.01, 0.1, 1.0)),
        alone("conservatism", "untried pairs keep a random first value", spread=0.05),
        *(
            alone("who is deployed", f"{rule} of {members}", members=members, deploy=rule, spread=0.05)
            for rule, members in (("robot", 3), ("robot", 10), ("estimate", 3), ("estimate", 10), ("average", 10))
        ),
        *(alone("reading", f"discount {discount:g}", discount=discount) for discount in (0.9, 0.99)),
        alone("reading", "sessions of 75 steps an episode", session_steps=75),
        replace(alone("reading", "episodes of 100 steps, of which 82 can pay"), task={"episode_steps": 100}),
        read("10 turns"),
        read("discount 0.99", discount=0.99),
        read("sessions of 269 steps an episode", session_steps=269),
        read("a tenth of moves random", {"epsilon": 0.1}),
        read("untried pairs are worth 0", spread=0.0),
        read("the best of 3 by its own return", members=3, deploy="robot"),
        replace(read("no turns, 1k counted in episodes of 75 steps", turns=1), sizes=(75_000,)),
        read("our search, all else as read", vars(acts)),
    ]
