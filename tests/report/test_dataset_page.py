"""The page of a dataset holds its figures and findings, and needs nothing beside it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from test_report import Page
from typer.testing import CliRunner

from turn_rl_ros.commands.data import app
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.quality import assess
from turn_rl_ros.data.select import take
from turn_rl_ros.report.dataset_json import quality_json
from turn_rl_ros.report.dataset_page import render_dataset
from turn_rl_ros.report.dataset_pictures import draw_dataset


@pytest.fixture
def data(run):
    """Two sessions of 30 rows in a world of 3 by 3 cells."""
    return load_dataset(run / "sessions")


def pictures(data):
    return {picture.name: picture for picture in draw_dataset(data, assess(data))}


def test_info_writes_a_page_that_needs_nothing_beside_it(run, tmp_path, data):
    target = tmp_path / "new" / "page.html"
    result = CliRunner().invoke(app, ["info", str(run / "sessions"), "--html", str(target)])
    assert result.exit_code == 0, result.output
    text = target.read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.addresses) == len(pictures(data))
    assert all(address.startswith("data:image/png;base64,iVBORw0KGgo") for address in page.addresses)
    assert not re.search(r"https?://|@import|url\(|<script", text)
    for info in data.sessions:
        assert info.path.name in page.text


def test_the_page_tells_score_and_findings(data):
    rewards = data.rewards.copy()
    rewards[33] = 5.0
    bad = replace(data, rewards=rewards)
    quality = assess(bad)
    text = Page(render_dataset(bad, quality, "tried & true")).text
    assert f"{quality.score.total:.1f} of 10: {quality.score.verdict}" in text and "tried & true" in text
    assert f"{data.sessions[1].path.name}, episode 0, row 3" in text
    assert "Relabel, or find out which version recorded them." in text
    (lane,) = [
        one.get_text() for one in pictures(bad)["timeline"].figure.axes[0].get_yticklabels() if "rew" in one.get_text()
    ]
    assert lane == "rewards that the task does not give"


def test_each_bar_of_the_score_is_as_long_as_its_points(data):
    (axes,) = pictures(data)["score"].figure.axes
    widths = [bar.get_width() for bar in axes.patches]
    parts = assess(data).score.parts[::-1]
    assert widths == pytest.approx([part.weight for part in parts] + [part.points for part in parts])


def test_the_cells_are_drawn_as_often_as_visited(data):
    mesh = pictures(data)["cells"].figure.axes[0].collections[0]
    drawn = np.ma.filled(mesh.get_array(), 0).reshape(3, 3)  # row by column
    visits = np.zeros((3, 3))
    np.add.at(visits, tuple(data.observations.astype(int).T), 1)
    np.testing.assert_array_equal(drawn, visits)


def test_pictures_that_have_nothing_to_show_are_left_out(data):
    one = take(data, data.episode == 0)
    assert not {"support", "motion"} & set(pictures(one))  # one episode, and a gantry at rest
    assert "drift" in pictures(data)


def test_json_has_no_nan(data):
    text = json.dumps(quality_json(data, assess(data)), allow_nan=False)
    assert [line["outcome"]["rows"] for line in json.loads(text)["sessions"]] == [30, 30]
