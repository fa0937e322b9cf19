"""Robot-minutes on the arm: the scenario's settings, and each lever changed alone, over several seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.report.reach import reach_picture
from turn_rl_ros.study.measure import Line, measure
from turn_rl_ros.study.plan import read_plan
from turn_rl_ros.study.stats import interval
from turn_rl_ros.study.table import Row, report

TARGET = "study-reach"
LONG = {"director.window_s": 60.0, "director.evaluate_goals": 200}
BEFORE = {
    "trainer.cql.alpha_rule": "fixed",
    "trainer.n_step": 1,
    "executor.behaviour.random_share": 0.1,
    "executor.behaviour.policy_share": 0.5,
}
"""What the scenario said before the levers were measured; the best of them together are what it says now."""
SHORTER = {**BEFORE, "director.turns": 3, "director.window_s": 20.0, "director.evaluate_goals": 100}
"""The levers are tried where there is something left to gain: after a minute all goals are reached."""
BASE = "turns of 20 s"
ONE = {"trainer.seeds": 1, "trainer.deploy": "first"}
ALONE = {**ONE, "trainer.width": 128, "trainer.batch_size": 256, "trainer.steps": 8000, "trainer.by_hand": True}
"""One larger policy, trained for longer: what the scenario had before."""

WRONG = {
    "first.velocity_gain": 0.7,
    "first.latency_steps": 1,
    "first.torque_scale": 0.7,
    "first.mass_scale": 1.3,
    "first.joint_damping": 3.0,
}
"""A simulator that is off by 30 % and late by a period; the URDF has no joint damping that 30 % could be taken of."""

LEVERS: dict[str, dict[str, Any]] = {
    "defaults": {**LONG, "director.turns": 6},
    "2 cm": {**LONG, "director.turns": 6, "task.success_radius_m": 0.02},
    "end effector": {**LONG, "director.turns": 1},
    "before the levers": {**LONG, **BEFORE, "director.turns": 6},
    "reward both, turns of 60 s": {**LONG, **BEFORE, "director.turns": 6, "task.reward": "both"},
    BASE: SHORTER,
    "reward both": {"task.reward": "both"},
    "reward sparse": {"task.reward": "sparse"},
    "one policy": ONE,
    "one larger policy": ALONE,
    "median of five": {"trainer.deploy": "median"},
    "best of five by estimate": {"trainer.deploy": "estimate"},
    "ten policies": {"trainer.seeds": 10},
    "discount 0.7": {"trainer.discount": 0.7},
    "discount 0.9": {"trainer.discount": 0.9},
    "1,500 steps": {"trainer.steps": 1500},
    "6,000 steps": {"trainer.steps": 6000},
    "no layer norm": {"trainer.layer_norm": False},
    "less policy alone": {"executor.behaviour.policy_share": 0.2},
    "no hindsight": {"trainer.hindsight_share": 0.0},
    "no new goals": {"trainer.resample_share": 0.0},
    "alpha 0": {"trainer.cql.alpha": 0.0},
    "alpha 0.1": {"trainer.cql.alpha": 0.1},
    "alpha adaptive": {"trainer.cql.alpha_rule": "adaptive"},
    "policy alone acts": {"executor.behaviour.random_share": 0.0, "executor.behaviour.policy_share": 1.0},
    "random acts": {"executor.behaviour.random_share": 1.0, "executor.behaviour.policy_share": 0.0},
    "adaptive alpha, 3-step returns, policy alone": {
        "trainer.cql.alpha_rule": "adaptive",
        "trainer.n_step": 3,
        "executor.behaviour.random_share": 0.0,
        "executor.behaviour.policy_share": 1.0,
    },
    "home every 5 episodes": {"executor.home_every": 5},
    "6 turns of 10 s": {"director.turns": 6, "director.window_s": 10.0},
    "1 turn of 60 s": {"director.turns": 1, "director.window_s": 60.0},
    "growing turns": {"director.window_s": 60 / 7, "director.window_growth": 2.0},
    "shrinking turns": {"director.window_s": 60 * 4 / 7, "director.window_growth": 0.5},
    "3-step returns": {"trainer.n_step": 3},
    "5-step returns": {"trainer.n_step": 5},
    "best of 16 by Q": {"trainer.extract": "best_of_k"},
    "a minute in a simulator first": {"first.windows": 3},
    "a minute in a wrong simulator first": {"first.windows": 3, **WRONG},
}
"""Name -> what differs from the scenario file, as `study.plan.read_plan` takes it."""
ENVS = {"end effector": "panda_ee"}
"""Lever -> scenario, where it is not `panda`."""
GOALS = {"defaults": 3.0, "2 cm": 6.0, "end effector": 1.0}
"""Lever -> robot-minutes within which the mean over the seeds should be at `LEVEL`."""
CURVES = (*GOALS, "before the levers", "reward both, turns of 60 s")
"""Shown turn by turn; they change the scenario itself, the others `SHORTER`."""
LEVEL, KEPT = 0.95, 0.9
"""The success that is wanted, and what no later turn of a run may fall below."""
SHORT = {"director.turns": 2, "director.window_s": 4.0, "director.evaluate_goals": 2, "trainer.steps": 10, **ONE}

Array = NDArray[np.float64]


def study(names: Sequence[str], seeds: Sequence[int], out: Path, short: bool, console: Console) -> list[Line]:
    """Measure what `out` does not hold yet, then print the table and write figures and goals.

    Raises:
        TurnRlError: no such lever, no simulator, or the disk refuses.
    """
    unknown = [name for name in names if name not in LEVERS]
    if unknown:
        raise ConfigError(f"no lever {', '.join(unknown)}; known: {', '.join(LEVERS)}")
    if short:
        names, seeds = names[:2], seeds[:2]
    target = f"{TARGET}-short" if short else TARGET
    plans = {
        name: read_plan(scenario_file(ENVS.get(name, "panda")), {**changes(name), **(SHORT if short else {})})
        for name in names
    }
    lines = measure(plans, seeds, out / f"{target}.jsonl", console)
    console.print(table(lines))
    shown = {name: (curves(lines, name, "robot_minutes")[0], curves(lines, name)) for name in names if name in CURVES}
    levers = {name: interval(curves(lines, name)) for name in names if name not in CURVES}
    try:
        report(target, verdict(lines), out)
        replace_file(out / f"{target}.png", reach_picture(shown, levers, BASE, LEVEL).png())
    except OSError as error:
        raise TurnRlError(f"cannot write into {out}: {error.strerror}; choose another --out") from error
    return lines


def changes(lever: str) -> dict[str, Any]:
    """What a lever changes in the scenario file."""
    return LEVERS[lever] if lever in CURVES else {**SHORTER, **LEVERS[lever]}


def curves(lines: Sequence[Line], lever: str, what: str = "success") -> Array:
    """A figure of each turn's outcome, (seeds, turns)."""
    return np.array([[one[what] for one in line["outcomes"]] for line in lines if line["case"] == lever])


def travel(lines: Sequence[Line], lever: str) -> float:
    """Joint travel for each goal that the sessions reached, rad; infinite where none was."""
    worn = [one["wear"] for line in lines if line["case"] == lever for one in line["outcomes"]]
    successes = sum(one["successes"] for one in worn)
    return sum(one["travel"] for one in worn) / successes if successes else float("inf")


def table(lines: Sequence[Line]) -> Table:
    """Each lever: mean success after each turn, the interquartile mean over seeds and turns, and the wear."""
    shown = Table(title=TARGET)
    for column in ("lever", "seeds", "success after robot-minutes", "IQM over turns, 95 %", "rad a success"):
        shown.add_column(column, justify="left" if column == "lever" else "right")
    for name in dict.fromkeys(line["case"] for line in lines):
        found, minutes = curves(lines, name), curves(lines, name, "robot_minutes")[0]
        value, low, high = interval(found)
        means = "  ".join(f"{m:.2g}: {one:.3f}" for m, one in zip(minutes, found.mean(axis=0), strict=True))
        row = (means, f"{value:.3f} ({low:.3f} to {high:.3f})", f"{travel(lines, name):.1f}")
        shown.add_row(name, str(len(found)), *row)
    return shown


def verdict(lines: Sequence[Line]) -> list[Row]:
    """Each goal that was measured: mean success within its robot-minutes, and the worst of any turn from there on."""
    rows = []
    for name, within in GOALS.items():
        if not any(line["case"] == name for line in lines):
            continue
        found, minutes = curves(lines, name), curves(lines, name, "robot_minutes")[0]
        until, after = found[:, minutes <= within + 0.01], found[:, minutes >= within - 0.01]
        best = round(float(until.mean(axis=0).max()), 3)
        what = f"{name}: success within {within:g} robot-minutes, mean of {len(found)} seeds"
        rows.append(Row(what, best, "share", "goal", LEVEL, round(best / LEVEL, 3), 1.0, best >= LEVEL))
        if after.size:
            worst = round(float(after.min()), 3)
            what = f"{name}: least success of a seed from there on"
            rows.append(Row(what, worst, "share", "goal", KEPT, round(worst / KEPT, 3), 1.0, worst >= KEPT))
    return rows
