"""Copies, repetitions and leaks are found in the later episode, or in the test part."""

from dataclasses import replace

import numpy as np
import pytest
from quality_data import EPISODES, ROWS, STEPS, arm_data, arm_rows, arm_sessions, planted

from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data import quality, select
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality import Severity, leakage


@pytest.fixture(scope="module")
def clean():
    return arm_data()


def marked(data, what):
    """Rows that one finding marks, (rows,); empty when there is no such finding."""
    found = [one for one in quality.assess(data).findings if one.what == what]
    return [row for one in found for start, stop in one.spans.tolist() for row in range(start, stop)]


def repeated(data, noise, start_noise=0.0):
    """Episode 5 does what episode 2 did, up to noise of the actions and of the start; nothing else is touched."""
    early, late, rng = slice(2 * STEPS, 3 * STEPS), slice(5 * STEPS, 6 * STEPS), np.random.default_rng(3)
    actions = data.actions[early] + noise * rng.uniform(-1, 1, (STEPS, 2)).astype(np.float32)
    start = data.observations[2 * STEPS] + np.float32(start_noise) * data.observations.std(axis=0)
    return planted(planted(data, "actions", late, actions), "observations", 5 * STEPS, start)


def test_a_session_recorded_twice_is_found_in_the_second_file(tmp_path):
    data = arm_sessions(tmp_path, arm_rows(0), arm_rows(1), arm_rows(0)[: 2 * STEPS])
    (one,) = [one for one in quality.assess(data).findings if one.what == "episodes recorded twice"]
    assert one.where == f"{data.sessions[2].path.name}, episodes 0-1, rows 0-99"
    assert marked(data, "episodes recorded twice") == list(range(2 * ROWS, 2 * ROWS + 2 * STEPS))
    assert marked(data, "episodes that nearly repeat another") == []  # said once


def test_the_same_at_another_time_is_no_copy_but_a_repetition(tmp_path):
    later = [replace(row, stamp_ns=row.stamp_ns + 7, next_stamp_ns=row.next_stamp_ns + 7) for row in arm_rows(0)]
    data = arm_sessions(tmp_path, arm_rows(0), later)
    assert marked(data, "episodes recorded twice") == []
    assert marked(data, "episodes that nearly repeat another") == list(range(ROWS, 2 * ROWS))


@pytest.mark.parametrize(
    ("noise", "start_noise", "found"), [(0.0, 0.0, True), (0.019, 0.019, True), (0.1, 0.0, False), (0.0, 0.1, False)]
)
def test_a_repetition_with_a_little_noise_is_found(clean, noise, start_noise, found):
    rows = marked(repeated(clean, noise, start_noise), "episodes that nearly repeat another")
    assert rows == (list(range(5 * STEPS, 6 * STEPS)) if found else [])


def test_one_action_that_differs_between_the_compared_steps_is_seen(clean):
    other = planted(repeated(clean, 0.0), "actions", (5 * STEPS + 1, 0), 0.99)
    assert marked(other, "episodes that nearly repeat another") == []


def test_moves_on_a_grid_are_not_compared(record_grid):
    assert "discrete" in quality.assess(record_grid).skipped["episodes that nearly repeat another"]
    train, test = select.split(record_grid, 0.5, 0)
    assert leakage(train, test) == []  # the same move in the same cell is no leak


@pytest.fixture
def record_grid():
    """Four episodes of ten moves in a cell that has walls around it."""
    spec = make_spec({"kind": "gridworld", "episode_steps": 10})
    cell, seen, still = np.array([1.9, 1.1]), np.array([19, 11], np.float32), np.zeros(2)
    here = {"observation": seen, "next_observation": seen, "joint_position": cell, "next_joint_position": cell}
    rest = {"joint_velocity": still, "next_joint_velocity": still, "reward": 0.0}
    rows = [
        replace(row, **here, **rest, action=np.array(row.episode), truncated=row.step == 9)
        for row in arm_rows(0, episodes=4)
        if row.step < 10
    ]
    return Dataset.from_transitions(rows, spec)


def test_a_split_by_episodes_leaks_nothing(clean):
    assert leakage(*select.split(clean, 0.3, 0)) == []


def test_an_episode_on_both_sides_is_found_in_the_test_part(clean):
    train, test = select.take(clean, clean.episode < 6), select.take(clean, clean.episode >= 5)
    (one,) = leakage(train, test)
    assert (one.what, one.severity) == ("test episodes that training has seen", Severity.WARNING)
    assert one.spans.tolist() == [[0, STEPS]]  # episode 5 is the first of the test part


def test_a_copied_episode_of_another_number_leaks(clean):
    train, test = select.take(clean, clean.episode < 6), select.take(clean, clean.episode < 1)
    (one,) = leakage(train, replace(test, episode=test.episode + 100))
    assert (one.what, one.rows) == ("test episodes that training has seen", STEPS)


def test_single_rows_and_rows_with_noise_leak(clean):
    train, test = select.take(clean, clean.episode < 6), select.take(clean, clean.episode >= 6)
    for column in ("observations", "actions", "next_observations"):
        test = planted(test, column, [11, 30], getattr(train, column)[[40, 200]])
    test = planted(test, "actions", 30, lambda old: old + np.float32(1e-4))
    rows, noise = leakage(train, test)
    assert (rows.what, rows.spans.tolist()) == ("test rows that training has seen", [[11, 12]])
    assert (noise.what, noise.spans.tolist()) == ("test rows that are training rows with noise", [[30, 31]])


def test_places_are_those_of_the_file_although_rows_that_are_not_finite_are_not_compared(clean):
    gappy = planted(repeated(clean, 0.0), "rewards", [3, 4, 120], np.nan)  # rows 3 and 4 of episode 0, one of episode 2
    gappy = planted(gappy, "rewards", 5 * STEPS + 20, np.nan)  # as late in episode 5, so that both are as long
    findings = {one.what: one for one in quality.assess(gappy).findings}
    first = findings["episodes that nearly repeat another"].places[0]
    assert (first.first_episode, first.first_row, first.last_row) == (5, 5 * STEPS, 5 * STEPS + 19)


def test_an_assessment_tells_leaks_by_the_rows_of_the_file(clean):
    _, test = select.split(clean, quality.TEST_SHARE, quality.SPLIT_SEED)
    inside, outside = int(test.episode[0]), int(np.setdiff1d(clean.episode, test.episode)[0])
    leak, source = inside * STEPS + 7, outside * STEPS + 9
    for column in ("observations", "actions", "next_observations"):
        clean = planted(clean, column, leak, getattr(clean, column)[source])
    (one,) = [one for one in quality.assess(clean).findings if one.what == "test rows that training has seen"]
    assert one.where == f"memory, episode {inside}, row {leak}"


def test_an_assessment_looks_for_leaks_in_its_own_split(clean):
    # All episodes are one and the same, at other times: whatever the split, test episodes are in training.
    copies = np.tile(np.arange(STEPS), EPISODES)
    columns = ("observations", "actions", "next_observations", "rewards", "joint_position", "next_joint_position")
    same = replace(clean, **{name: getattr(clean, name)[copies] for name in (*columns, "goal")})
    assert "test episodes that training has seen" in [one.what for one in quality.assess(same).findings]
