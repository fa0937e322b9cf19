"""A sealed session is replayed, as a process of its own, to a collector that is one as well."""

import numpy as np
import pytest

from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.data.sealed import read_info, read_rows
from turn_rl_ros.data.session import SessionWriter

STEPS = 200
SHA256 = "ab" * 32


def session(directory, spec, number):
    """Recorded in process, with two rows that never came to the disk."""
    env = make_env(spec)
    behaviour = make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(number))
    writer = SessionWriter(directory, spec, {"policy_sha256": SHA256, "policy_turn": 3}, session_id=f"{number:08x}")
    for at, row in enumerate(run_session(env, behaviour, STEPS)):
        if at not in (20, 21):
            writer.append(row)
    return writer.seal("window over", {"window_used_s": STEPS * spec.period_s, "wear": {"interventions": {"speed": 2}}})


@pytest.mark.parametrize("scenario", ["gridworld.yaml", "panda_reach.yaml"])
def test_a_collector_makes_the_same_sessions_of_a_replay(graph, scenario):
    if scenario.startswith("panda"):
        pytest.importorskip("pybullet", reason="PyBullet is not installed")
    source = graph.logs / "recorded"
    params = graph.params(scenario, {"replay": {"source": str(source), "rate": 0.0, "record": True}})
    spec = make_spec(scenario_section(params, "collector", "task"))
    recorded = [read_info(session(source, spec, number)) for number in (1, 2)]
    recorded.sort(key=lambda info: info.path.name)

    graph.start("replay", params)
    graph.start("collector", params)
    assert graph.processes["replay"].wait(60) == 0, graph.log("replay") + graph.log("collector")
    assert graph.stop()["collector"] == 0

    again = [read_info(path) for path in sealed_files(graph.run_dir / "sessions")]
    assert len(again) == 2
    for old, new in zip(recorded, again, strict=True):
        rows, others = read_rows(old), read_rows(new)
        assert len(rows) > STEPS // 2
        for column in rows.dtype.names:
            np.testing.assert_array_equal(others[column], rows[column], err_msg=column)
        assert new.facts["drops"] == {}
        assert new.facts["stop_reason"] == f"replay of {old.path.name}: window over"
        told = ("policy_sha256", "policy_turn", "window_used_s")
        assert [new.facts[name] for name in told] == [SHA256, 3, STEPS * spec.period_s]
        assert new.facts["wear"]["interventions"] == {"speed": 2}
