import csv
import json
from dataclasses import replace

import numpy as np
from typer.testing import CliRunner

from turn_rl_ros.cli import app
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.study.grid import GOALS, PUBLISHED, STUDY, measure, methods, spec_of
from turn_rl_ros.study.grid_levers import levers


def test_the_short_study_writes_json_csv_png_and_one_page(tmp_path):
    done = CliRunner().invoke(app, ["study", "gridworld", "--short", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    row = json.loads((tmp_path / "study-gridworld.json").read_text())["rows"][0]
    assert row["reference"] == 13 and row["ratio"] == round(row["value"] / 13, 3)
    folder = tmp_path / "study-gridworld"
    with (folder / "curves.csv").open() as file:
        table = list(csv.DictReader(file))
    ours = next(one for one in table if one["curve"].startswith("ours") and one["transitions"] == "1000")
    assert ours["published"] == "13" and float(ours["mean"]) == row["value"]
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png") == len(list(folder.glob("*.png"))) == 3
    assert "our defaults" in page


def test_ours_beats_the_goal_at_two_thousand_with_few_runs():
    """Of six runs all find R and stay there; the study's ten turns come to 96."""
    point = measure(methods()[0], 2000, range(100, 106), spec_of())
    assert point.returns.mean() > GOALS[2000] > PUBLISHED["10 turns"][2000]


def test_shares_of_visits_add_up_and_a_session_counts_no_way_home():
    method = replace(STUDY, turns=2, behaviour=BehaviourConfig(), session_steps=50)
    point = measure(method, 300, range(2), spec_of())
    np.testing.assert_allclose(point.session_visits.sum(axis=(1, 2, 3)), 1.0)
    assert point.policy_visits.shape == (2, 20, 20, 5)


def test_every_lever_differs_from_the_others():
    wanted = levers()
    assert len({(lever.group, lever.method.name) for lever in wanted}) == len(wanted)
    assert len({(replace(lever.method, name=""), str(lever.task), lever.sizes) for lever in wanted}) == len(wanted)
