"""Parameter files that name only what differs from another."""

import pytest
import yaml

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.parameter_file import BASED_ON, parameter_tree, shipped_file
from turn_rl_ros.core.scenario import SCENARIOS, write_scenario

BASE = """
/**:
  ros__parameters:
    task: {kind: gridworld, slip: 0.0}
/**/guard:
  ros__parameters: {window_s: 60.0, box_low: [0.0, 0.0, 0.0]}
"""


@pytest.fixture
def write(tmp_path):
    def written(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return written


def test_what_is_said_wins_lists_are_replaced_whole_and_the_rest_stays(write):
    write("base.yaml", BASE)
    path = write("mine.yaml", "based_on: base.yaml\n/**:\n  ros__parameters:\n    task: {slip: 0.2}\n"
                              "/**/guard:\n  ros__parameters: {box_low: [1.0]}\n")  # fmt: skip
    assert scenario_section(path, "arm", "task") == {"kind": "gridworld", "slip": 0.2}
    assert scenario_section(path, "guard") == {"window_s": 60.0, "box_low": [1.0]}


def test_a_run_s_own_copy_stands_alone(write, tmp_path):
    write("base.yaml", BASE)
    path = write("mine.yaml", "based_on: base.yaml\n/**:\n  ros__parameters:\n    task: {slip: 0.2}\n")
    write_scenario(path, tmp_path / "run" / "scenario.yaml", {"guard": {"window_s": 5.0}})
    tree = yaml.safe_load((tmp_path / "run" / "scenario.yaml").read_text(encoding="utf-8"))
    assert BASED_ON not in tree
    assert tree["/**"]["ros__parameters"]["task"] == {"kind": "gridworld", "slip": 0.2}
    assert tree["/**/guard"]["ros__parameters"] == {"window_s": 5.0, "box_low": [0.0, 0.0, 0.0]}


def test_a_file_of_one_s_own_may_be_based_on_one_that_ships(write):
    path = write("mine.yaml", "based_on: gridworld.yaml\n/**:\n  ros__parameters:\n    task: {slip: 0.5}\n")
    shipped = scenario_section(shipped_file("gridworld.yaml"), "arm", "task")
    assert scenario_section(path, "arm", "task") == {**shipped, "slip": 0.5}


def test_what_it_is_based_on_may_be_based_on_a_third(write):
    path = write("mine.yaml", "based_on: gridworld_maze.yaml\n/**:\n  ros__parameters:\n    task: {slip: 0.5}\n")
    shipped = scenario_section(shipped_file("gridworld.yaml"), "arm", "task")
    assert scenario_section(path, "arm", "task") == {**shipped, "world": "maze_19x19", "slip": 0.5}


def test_a_circle_is_refused(write):
    write("yours.yaml", "based_on: mine.yaml\n")
    with pytest.raises(ConfigError, match="name another one"):
        parameter_tree(write("mine.yaml", "based_on: yours.yaml\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("based_on: nowhere.yaml\n", "nowhere.yaml is not installed"),
        ("based_on: mine.yaml\n", "based on mine.yaml, which is based on mine.yaml"),
        ("- 1\n", "not a ROS parameter file"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_what_cannot_be_laid_over_is_refused_in_one_line(write, text, message):
    with pytest.raises(ConfigError, match=message):
        parameter_tree(write("mine.yaml", text))


OVERLAYS = [path for path in map(shipped_file, SCENARIOS.values()) if BASED_ON in path.read_text()]
"""Of the simulated scenarios; those of real arms repeat what must not be missed."""


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_a_shipped_overlay_says_nothing_that_its_base_says_already(path):
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = yaml.safe_load(shipped_file(own.pop(BASED_ON)).read_text(encoding="utf-8"))

    def repeated(above, below, where):
        for key, value in above.items():
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                yield from repeated(value, below[key], f"{where}.{key}")
            elif key in below and below[key] == value:
                yield f"{where}.{key}"

    assert list(repeated(own, base, "")) == []
