"""The levers of the arm's study, and the figures that it tells of them."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.study.plan import read_plan
from turn_rl_ros.study.reach import BASE, CURVES, ENVS, LEVERS, changes, curves, study, table, travel, verdict

pytest.importorskip("pybullet", reason="the simulated Panda needs PyBullet")


def line(case, successes, reached, travelled):
    wear = [{"travel": t, "successes": s} for t, s in zip(travelled, reached, strict=True)]
    outcomes = [
        {"success": s, "robot_minutes": float(n), "wear": w}
        for n, (s, w) in enumerate(zip(successes, wear, strict=True), 1)
    ]
    return {"case": case, "outcomes": outcomes}


LINES = [line("a", [0.0, 1.0], [0, 10], [50.0, 30.0]), line("a", [0.5, 1.0], [5, 5], [10.0, 10.0])]


def test_travel_counts_all_of_it_and_all_successes():
    assert travel(LINES, "a") == (50 + 30 + 10 + 10) / (10 + 5 + 5)
    assert travel([line("b", [0.0], [0], [50.0])], "b") == float("inf")


def test_curves_are_seeds_by_turns():
    np.testing.assert_array_equal(curves(LINES, "a"), [[0.0, 1.0], [0.5, 1.0]])


def test_table_tells_the_mean_after_each_turn():
    out = io.StringIO()
    Console(file=out, width=200).print(table(LINES))
    assert "1: 0.250  2: 1.000" in out.getvalue()


@pytest.mark.parametrize("name", [name for name in LEVERS if name != BASE])
def test_each_lever_is_a_plan_and_not_what_it_is_held_against(name):
    """Otherwise a change of the defaults would have made it the same as they are."""
    path = scenario_file(ENVS.get(name, "panda"))
    against = {} if name in CURVES else changes(BASE)
    assert read_plan(path, changes(name)) != read_plan(path, against)


def test_verdict_is_the_best_mean_in_time_and_the_worst_run_afterwards():
    """Defaults have 3 minutes: means 0.25, 0.5, 0.9 until then; the least of any run from minute 3 on is 0.8."""
    one, two = [0.5, 1.0, 0.8, 1.0], [0.0, 0.0, 1.0, 0.85]
    rows = verdict([line("defaults", scores, [0] * 4, [0.0] * 4) for scores in (one, two)])
    assert [row.value for row in rows] == [0.9, 0.8]
    assert [row.met for row in rows] == [False, False]


def test_short_study_runs_once_and_is_then_read_back(tmp_path):
    quiet = Console(file=io.StringIO())
    first = study(["defaults", "2 cm"], range(1), tmp_path, True, quiet)
    written = (tmp_path / "study-reach-short.jsonl").read_text()
    assert study(["defaults", "2 cm"], range(1), tmp_path, True, quiet) == first
    assert (tmp_path / "study-reach-short.jsonl").read_text() == written
    assert [json.loads(one)["case"] for one in written.splitlines()] == ["defaults", "2 cm"]


def test_unknown_lever_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no lever feather"):
        study(["feather"], range(1), tmp_path, True, Console(file=io.StringIO()))
