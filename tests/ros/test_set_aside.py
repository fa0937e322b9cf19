import json

from rich.console import Console

from turn_rl_ros.nodes.demo import set_aside


def test_a_run_of_another_environment_is_set_aside_never_mixed_or_lost(tmp_path):
    run = tmp_path / "demo"
    for number in (1, 2):
        run.mkdir()
        (run / "summary.json").write_text(json.dumps({"env": "panda", "turns": [], "number": number}))
        set_aside(run, "panda", Console(quiet=True))
        assert run.exists(), "its own environment resumes"
        set_aside(run, "gridworld", Console(quiet=True))
        assert not run.exists()
        assert json.loads((tmp_path / f"demo-panda-{number}" / "summary.json").read_text())["number"] == number
