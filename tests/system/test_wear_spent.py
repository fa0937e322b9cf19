"""An arm that was used as much as it may be: the run ends in good order, and another start does not begin again."""

import json

from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import read_info
from turn_rl_ros.report.html import write_report

NODES = ("arm", "executor", "guard", "collector", "director")
MOST = 1.05
"""m; a cell is 0.05 m, so the arm has gone 21 cells in one of its two directions"""


def test_a_worn_arm_ends_the_run_with_exit_code_0_and_one_line(graph):
    short = {"turns": 3, "window_s": 60.0, "evaluate_goals": 0, "train": False}
    params = graph.params("gridworld.yaml", {"director": short, "guard": {"max_travel": MOST}})
    for node in NODES:
        graph.start(node, params)
    assert graph.processes["director"].wait(100) == 0, graph.log("director")
    ends = [line for line in graph.log("director").splitlines() if "wear budget used up" in line]
    assert len(ends) == 1 and "travel of" in ends[0], graph.log("director")
    assert set(graph.stop().values()) == {0}

    (session,) = sealed_files(graph.run_dir / "sessions")
    facts = read_info(session).facts
    assert facts["stop_reason"].startswith("wear budget used up: travel of")
    used = max(facts["wear"]["wear"]["travel"].values())
    assert MOST <= used < MOST + 0.051, "the tick that spends it is the last one"
    assert used == max(json.loads((graph.run_dir / "guard.json").read_text())["wear"]["travel"].values())
    page = write_report(graph.run_dir).read_text(encoding="utf-8")
    assert f"<td>{used:.1f}</td>" in page and "Wear of the arm" in page

    graph.processes.clear()
    for node in NODES:
        graph.start(node, params)
    assert graph.processes["director"].wait(60) == 0, graph.log("director")
    assert sealed_files(graph.run_dir / "sessions") == [session], "no window was opened"
