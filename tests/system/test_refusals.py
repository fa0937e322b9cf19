"""Bad input to real processes: one clear line that names what to change, no traceback, exit code 2, nothing lost."""

import pytest

from turn_rl_ros.core.store import PolicyStore

GRID, PANDA = "gridworld.yaml", "panda_reach.yaml"


@pytest.mark.parametrize(
    ("node", "scenario", "overrides", "words"),
    [
        ("guard", GRID, {"guard": {"windw_s": 5.0}}, "unknown parameter 'windw_s'"),
        ("guard", GRID, {"guard": {"window_s": 0.0}}, "window_s"),
        ("guard", GRID, {"guard": {"window_s": "long"}}, "window_s"),
        ("executor", PANDA, {"/**": {"task.joint_names": ["elbow"], "task.home": [0.0]}}, "elbow"),
        ("executor", PANDA, {"/**": {"task.urdf": "/nowhere/arm.urdf"}}, "task.urdf"),
        ("arm", PANDA, {"/**": {"task.urdf": "nopackage:arm.urdf"}}, "nopackage"),
        ("collector", GRID, {"collector": {"run_dir": "/proc/run"}}, "run_dir"),
        ("trainer", GRID, {"trainer": {"alpha": -1.0}}, "alpha"),
        ("director", GRID, {"director": {"turns": 0}}, "turns"),
        ("director", GRID, {"/**": {"task.world": "/nowhere.txt"}}, "task.world"),
    ],
)
def test_a_node_that_cannot_work_says_why_in_one_line(graph, node, scenario, overrides, words):
    if scenario == PANDA:
        pytest.importorskip("pybullet_data")
    process = graph.start(node, graph.params(scenario, overrides))
    assert process.wait(60) == 2, graph.log(node)
    said = [line for line in graph.log(node).splitlines() if not line.startswith("pybullet build time")]
    assert len(said) == 1, said
    assert words in said[0]
    assert "Traceback" not in said[0]


def test_a_file_that_is_no_parameter_file_is_one_line(graph):
    path = graph.logs / "broken.yaml"
    path.write_text("guard: [not, parameters")
    process = graph.start("guard", path)
    assert process.wait(60) == 2
    assert "Traceback" not in graph.log("guard")
    assert "error:" in graph.log("guard")


def test_sessions_of_another_task_stop_the_run_before_a_window_opens(graph):
    """The same run directory with another episode length: refused with both fingerprints and the field."""
    small = {"director": {"turns": 1, "window_s": 2.0, "evaluate_goals": 0, "train": False}, "arm": ARM}
    params = graph.params(GRID, small)
    for node in ("arm", "executor", "guard", "collector", "director"):
        graph.start(node, params)
    assert graph.processes["director"].wait(100) == 0, graph.log("director")
    params = graph.params(
        GRID, {**small, "/**": {"task.episode_steps": 7}, "director": {**small["director"], "turns": 2}}
    )
    assert graph.start("director", params).wait(100) == 1
    assert "first difference: episode_steps: here 7, there 269" in graph.log("director")


def test_a_policy_for_another_task_is_refused_and_the_arm_goes_on(graph, tmp_path):
    import numpy as np

    from turn_rl_ros.core.artifact import pack
    from turn_rl_ros.core.task import make_spec

    other = make_spec({"kind": "gridworld", "episode_steps": 7})
    table = {"w0": np.zeros((1, 400, 5)), "b0": np.zeros((1, 1, 5)), "one_hot": np.array([20, 20])}
    blob = pack("argmax_q", table, other, np.zeros((1, 2), dtype=np.float32), {"turn": 1, "algorithm": "test"})
    PolicyStore(graph.run_dir).save(1, blob)
    small = {"director": {"turns": 1, "window_s": 2.0, "evaluate_goals": 0, "train": False}, "arm": ARM}
    params = graph.params(GRID, small)
    for node in ("arm", "executor", "guard", "collector", "trainer"):
        graph.start(node, params)
    graph.wait_for_line("executor", "policy refused, random behaviour stays: the policy was trained for task")
    assert graph.start("director", params).wait(100) == 0, graph.log("director")
    assert "200 transitions" not in graph.log("director")
    assert (graph.run_dir / "summary.json").exists()


ARM = {"real_time_factor": 0.0}
