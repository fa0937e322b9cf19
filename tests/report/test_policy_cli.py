"""`turn-rl policy`, and what the report tells of deployed policies."""

import numpy as np
import pytest
from typer.testing import CliRunner

from turn_rl_ros.cli import app
from turn_rl_ros.core.artifact import pack
from turn_rl_ros.core.deployed import Deployed
from turn_rl_ros.core.scenario import scenario_file, write_scenario
from turn_rl_ros.core.store import PolicyStore, seal
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.report.deployed import deployed_story

SPEC = make_spec({"kind": "gridworld"})


def blob(turn, spec=SPEC):
    table = {"w0": np.zeros((1, 400, 5)), "b0": np.full((1, 1, 5), turn), "one_hot": np.array([20, 20])}
    return pack("argmax_q", table, spec, np.zeros((1, 2), dtype=np.float32), {"turn": turn, "algorithm": "tabular"})


@pytest.fixture
def run(tmp_path):
    """A run of two policies; the second acted, was worse, and was rolled back."""
    run = tmp_path / "run"
    write_scenario(scenario_file("gridworld"), run / "scenario.yaml", {})
    history = Deployed(run)
    for turn in (1, 2):
        PolicyStore(run).save(turn, blob(turn))
        history.take(turn, seal(blob(turn)), f"2026-01-0{turn}T00:00:00+00:00")
    bad, good = seal(blob(2)).sha256, seal(blob(1)).sha256
    history.note("acted", "2026-01-03T00:00:00", sha256=bad, turn=2, returns=[1.0, 2.0])
    history.note("rolled back", "2026-01-03T00:00:01", sha256=bad, turn=2, reason="it was worse", to=good)
    return run


def call(*arguments):
    return CliRunner().invoke(app, ["policy", *map(str, arguments)], env={"COLUMNS": "200"})


def test_list_tells_what_was_trained_and_the_story_of_what_was_deployed(run):
    said = call("list", run).output
    for words in ("tabular", seal(blob(1)).sha256[:12], "rolled back", "it was worse", "2 episodes, mean return 1.50"):
        assert words in said


def test_show_has_the_papers(run):
    said = call("show", PolicyStore(run).find(1)).output
    assert seal(blob(1)).sha256 in said and SPEC.fingerprint() in said


def test_verify_names_the_one_that_was_changed(run):
    assert call("verify", run).output == "4 policies, 0 problems\n"
    path = PolicyStore(run).find(2)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    result = call("verify", run)
    assert result.exit_code == 1
    assert f"{path.name} has sha256" in result.output and "4 policies, 1 problems" in result.output


def test_a_policy_for_another_task_does_not_verify(run):
    other = make_spec({"kind": "gridworld", "episode_steps": 7})
    PolicyStore(run).save(3, blob(3, other))
    result = call("verify", PolicyStore(run).find(3))
    assert result.exit_code == 1 and "was trained for task" in result.output


def test_keys_are_made_policies_signed_and_signatures_verified(run, tmp_path):
    pytest.importorskip("cryptography", reason="signatures need cryptography (pip install 'turn_rl_ros[sign]')")
    assert call("keygen", tmp_path / "trainer").exit_code == 0
    path = PolicyStore(run).find(1)
    assert call("verify", path, "--public-key", tmp_path / "trainer.pub").exit_code == 1
    assert call("sign", path, "--key", tmp_path / "trainer.key").exit_code == 0
    assert call("verify", path, "--public-key", tmp_path / "trainer.pub").output == "1 policies, 0 problems\n"


def test_nothing_there_is_one_line(tmp_path):
    result = call("list", tmp_path)
    assert result.exit_code == 2 and len(result.output.strip().splitlines()) == 1


def test_the_report_has_every_chapter_and_marks_what_alarms(run):
    story = deployed_story(run)
    assert [(one.turn, one.what, one.alarming) for one in story] == [
        ("1", "taken", False),
        ("2", "taken", False),
        ("2", "acted", False),
        ("2", "rolled back", True),
    ]
    assert story[-1].why == f"it was worse; policy {seal(blob(1)).sha256[:12]} acts again"
