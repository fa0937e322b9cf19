import pytest

from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.errors import ConfigError, SpecMismatch, TurnRlError
from turn_rl_ros.core.guard.guard import GuardConfig
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import make_spec


def test_a_spec_reads_back_with_the_same_fingerprint():
    spec = make_spec({"kind": "gridworld"})
    assert TaskSpec.from_json(spec.to_json()) == spec
    assert TaskSpec.from_json(spec.to_json()).fingerprint() == spec.fingerprint()


def test_a_mismatch_names_both_fingerprints_and_the_first_field():
    here, there = make_spec({"kind": "gridworld"}), make_spec({"kind": "gridworld", "slip": 0.25})
    with pytest.raises(SpecMismatch) as caught:
        here.require_same(there, "session-x.h5")
    for part in (
        here.fingerprint()[:12],
        there.fingerprint()[:12],
        "details.slip: here 0.0, there 0.25",
        "session-x.h5",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"action": 3}', "null"])
def test_what_is_no_spec_is_refused_in_one_line(text):
    with pytest.raises(TurnRlError, match="not a task spec"):
        TaskSpec.from_json(text)


def test_a_box_names_the_element_that_is_not_finite():
    with pytest.raises(TurnRlError, match="b is nan"):
        Box(("a", "b"), ("m", "m"), (0, 0), (1, 1)).validate([0.5, float("nan")])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"windw_s": 3}, "did you mean 'window_s'"),
        ({"window_s": 0}, "window_s = 0.0 is outside"),
        ({"window_s": "long"}, "must be a number"),
        ({"window_s": float("nan")}, "must be finite"),
        ({"silence_periods": 2.5}, "whole number"),
        ({"silence_periods": True}, "must be a number"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_wrong(values, words):
    with pytest.raises(ConfigError) as caught:
        from_mapping(GuardConfig, values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_node_s_own_parameters_come_on_top_of_those_for_all(tmp_path):
    file = tmp_path / "scenario.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    run_dir: a\n    task: {kind: gridworld, slip: 0.1}\n"
        "guard:\n  ros__parameters:\n    run_dir: b\n"
    )
    assert scenario_section(file, "guard") == {"run_dir": "b"}
    assert scenario_section(file, "collector") == {"run_dir": "a"}
    assert scenario_section(file, "guard", "task") == {"kind": "gridworld", "slip": 0.1}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "reach", "urdf": "/nowhere/arm.urdf"}, "task.urdf"),
        ({"kind": "reach", "joint_names": ["elbow"], "home": [0.0]}, "elbow"),
        ({"kind": "reach", "tip_link": "hand_of_god"}, "task.tip_link"),
        ({"kind": "reach", "goal_low": [1.0, 1.0, 1.0]}, "task.goal_low"),
        ({"kind": "reach", "home": [0.0]}, "task.home"),
        ({"kind": "gridworld", "world": "/nowhere.txt"}, "task.world"),
        ({"kind": "chess"}, "task.kind"),
    ],
)
def test_a_task_that_contradicts_itself_says_which_parameter_to_change(values, words):
    pytest.importorskip("pybullet_data")
    with pytest.raises(ConfigError) as caught:
        make_spec(values)
    assert words in str(caught.value)
