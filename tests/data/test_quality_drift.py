"""Another policy is no fault; the same command with another effect is one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from quality_data import ROWS, arm_data, arm_rows, arm_sessions, planted, recorded

from turn_rl_ros.data import quality
from turn_rl_ros.data.quality import Severity
from turn_rl_ros.data.quality.drift import LOST_LIMIT, drift, ks_statistic
from turn_rl_ros.data.quality.finding import NotApplicable
from turn_rl_ros.data.schema import FACTS
from turn_rl_ros.data.sealed import SessionInfo


def whats(data, severity):
    return {one.what for one in quality.assess(data).findings if one.severity is severity}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2, 3], [4, 5], 1),
        ([1, 2, 3, 4], [3, 4, 5, 6], 0.5),
        ([0, 0, 0, 1], [0, 1], 0.25),
    ],
)
def test_kolmogorov_smirnov_by_hand(ours, theirs, expected):
    assert ks_statistic(np.array(ours), np.array(theirs)) == pytest.approx(expected)


def test_a_session_is_compared_with_the_others_alone(tmp_path):
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(1))
    data = planted(planted(data, "actions", slice(ROWS), -0.5), "actions", slice(ROWS, None), 0.5)
    assert (drift(data).actions == 1).all()  # with its own rows among them it would be a half


def test_one_session_cannot_drift():
    with pytest.raises(NotApplicable):
        drift(arm_data())
    assert quality.assess(arm_data()).drift is None


def test_another_policy_on_the_same_robot_is_a_note(tmp_path):
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(1), arm_rows(2, reach=0.05))
    found = drift(data)
    assert found.dynamics.max() < 0.01  # the arm is linear, so that every model is the same one
    assert found.actions[2].min() > 0.3 > found.actions[:2].max() - 0.2
    assert whats(data, Severity.WARNING) == set()


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_an_arm_that_obeys_less_is_found_in_its_session_alone(tmp_path, odd):
    parts = [arm_rows(seed, gain=0.25 if seed == odd else 0.5) for seed in range(3)]
    data = arm_sessions(tmp_path, *parts)
    (one,) = [one for one in quality.assess(data).findings if one.severity is Severity.WARNING]
    assert one.what == "sessions with other dynamics"
    assert one.spans.tolist() == [[odd * ROWS, (odd + 1) * ROWS]]
    assert data.sessions[odd].path.name in one.where
    assert f"session {odd}" in one.seen


def test_what_is_lost_is_the_error_of_the_other_model(tmp_path):
    # The change of velocity is g (command - velocity), with g = 0.5 before and 0.25 now.
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(1, gain=0.25))
    lost = drift(data).dynamics
    # The new session's change is a quarter; the old model says twice that, so it misses 100 % of it.
    assert lost[1] == pytest.approx([1, 1], abs=0.02)
    # The old session's change is a half; the new model says half of that, and misses a quarter of the squares.
    assert lost[0] == pytest.approx([0.25, 0.25], abs=0.02)


def test_noise_alone_is_no_drift(tmp_path):
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(1), arm_rows(2))
    noise = 0.05 * np.random.default_rng(0).standard_normal(data.next_joint_velocity.shape)
    noisy = planted(data, "next_joint_velocity", slice(None), data.next_joint_velocity + noise)
    assert drift(noisy).dynamics.max() < LOST_LIMIT / 2


def test_a_joint_that_hardly_moves_is_not_judged(tmp_path):
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(1, gain=0.25))
    slow = data
    for column in ("joint_velocity", "next_joint_velocity"):
        slow = planted(slow, column, (slice(None), 1), 1e-3 * getattr(data, column)[:, 1])
    assert (drift(slow).dynamics[:, 1] == 0).all() and (drift(slow).dynamics[:, 0] > 0.2).all()


def test_a_session_too_short_for_a_model_is_not_judged(tmp_path):
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(1)[:30])  # 7 inputs need 35 rows
    assert np.isnan(drift(data).dynamics).all()
    assert np.isfinite(drift(data).actions).all()


def test_without_joints_the_observations_tell():
    data = recorded(np.random.default_rng(0), rows=400)
    halves = in_two_sessions(data)
    assert drift(halves).dynamics.max() < LOST_LIMIT
    moved = planted(halves, "next_observations", slice(200, None), lambda old: old + 1.0)
    found = drift(moved)
    assert found.outputs == ("x", "y") and (found.dynamics > LOST_LIMIT).all()


def in_two_sessions(data):
    """400 rows in memory that say that the last 200 are of another session."""
    infos = tuple(SessionInfo(Path(f"{n}.h5"), data.spec, dict(FACTS), 200, {}) for n in range(2))
    return replace(planted(data, "session", slice(200, None), 1), sessions=infos)
