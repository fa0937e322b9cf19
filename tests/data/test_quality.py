"""Each fault that can be seen in single rows is found where it was planted, and nowhere in a clean recording."""

import json
from dataclasses import replace

import numpy as np
import pytest
from quality_data import EPISODES, ROWS, STEPS, arm_data, arm_rows, arm_sessions, arm_spec, planted, recorded, simulated
from typer.testing import CliRunner

from turn_rl_ros.commands.data import app
from turn_rl_ros.core.guard.guard import Cause
from turn_rl_ros.data import quality
from turn_rl_ros.data.quality import Severity
from turn_rl_ros.data.session import SessionWriter


@pytest.fixture(scope="module")
def clean():
    return arm_data()


def spans(data, what):
    """Rows (first, last) of each stretch of one finding; empty when there is no such finding."""
    found = {one.what: one for one in quality.inspect(data)[0]}
    return [(p.first_row, p.last_row) for p in found[what].places] if what in found else []


def test_a_clean_recording_has_no_finding(clean):
    assert quality.inspect(clean) == ([], {})
    assert quality.assess(clean).findings == []


@pytest.mark.parametrize("column", ["observations", "actions", "rewards", "next_observations"])
def test_nan_is_found(clean, column):
    assert spans(planted(clean, column, 9, np.nan), "values that are not finite") == [(9, 9)]


@pytest.mark.parametrize("column", ["joint_position", "next_joint_velocity", "goal"])
def test_nan_behind_what_is_learnt_from_is_found(clean, column):
    assert spans(planted(clean, column, (9, 1), np.inf), "joint states that are not finite") == [(9, 9)]


@pytest.mark.parametrize("rows", [slice(None), slice(1, None)])
def test_a_recording_of_which_hardly_a_row_is_sound_is_refused_in_words(clean, rows):
    found = quality.assess(planted(clean, "observations", rows, np.nan)).score
    assert not found.enough and found.verdict.startswith("not enough: validity: 100 % of the rows have an error")


def test_a_wrong_reward_is_found_with_its_size(clean):
    (one,), _ = quality.inspect(planted(clean, "rewards", [57, 58, 120], lambda old: old + 5))
    assert [str(place) for place in one.places] == ["memory, episode 1, rows 57-58", "memory, episode 2, row 120"]
    assert (one.what, one.seen) == ("rewards that the task does not give", "off by up to 5")
    assert (one.severity, one.rows, one.share, one.stretches) == (Severity.ERROR, 3, 3 / ROWS, 2)


def test_a_reward_that_never_changes_is_found_in_all_rows(clean):
    assert spans(planted(clean, "rewards", slice(None), -1.0), "a reward that never changes") == [(0, ROWS - 1)]


def test_a_broken_chain_is_found_where_it_breaks_and_an_episode_end_is_no_break(clean):
    broken = planted(clean, "observations", 121, lambda old: old + 1)
    assert spans(broken, "rows that do not lead to the next one") == [(120, 120)]
    assert spans(planted(broken, "terminals", 120, True), "rows that do not lead to the next one") == []


@pytest.mark.parametrize("late_ns", [2, -1])
def test_a_gap_and_a_clock_that_ran_backwards_are_found(clean, late_ns):
    late = planted(clean, "next_stamp_ns", 50, clean.stamp_ns[50] + late_ns * clean.spec.period_ns)
    assert spans(late, "gaps in time") == [(50, 50)]


def test_a_joint_beyond_its_limit_is_named(clean):
    fast = planted(clean, "next_joint_velocity", (70, 1), 2.5)  # the limit is 2 rad/s
    found = {one.what: one for one in quality.inspect(fast)[0]}["joints faster than their limit"]
    assert found.seen == "elbow up to 2.5" and found.where == "memory, episode 1, row 70"


def test_a_spike_is_an_outlier_in_the_rows_that_it_touches(clean):
    spike = planted(clean, "next_joint_velocity", (80, 0), 40.0)
    spike = planted(spike, "joint_velocity", (81, 0), 40.0)
    # Row 80 jumps up and row 81 back; jerk is the change to the next row, so it begins in row 79.
    assert spans(spike, "outliers of acceleration or jerk") == [(79, 81)]


def test_a_wrap_is_found(clean):
    wrapped = planted(clean, "next_joint_position", (60, 1), lambda old: old + 3.1)
    assert spans(wrapped, "encoder wraps") == [(60, 60)]


def test_a_joint_that_stays_for_25_commands_is_stuck_and_for_24_is_not(clean):
    told = planted(clean, "command", slice(None), 0.5)
    for length, expected in ((24, []), (25, [(10, 34)])):
        rows = (slice(10, 10 + length), 1)
        held = planted(told, "next_joint_position", rows, told.joint_position[rows])
        assert spans(held, "joints that do not answer") == expected


def test_a_dead_joint_marks_its_session_and_is_not_called_stuck_too(tmp_path):
    dead = [
        replace(row, joint_position=row.joint_position * [1, 0], next_joint_position=row.next_joint_position * [1, 0])
        for row in arm_rows(1)
    ]
    data = arm_sessions(tmp_path, arm_rows(0), dead, arm_rows(2))
    found = {one.what: one for one in quality.inspect(data)[0]}
    assert found["dead joints"].seen == "elbow"
    (place,) = found["dead joints"].places
    assert (place.session, place.first_row, place.last_row) == (data.sessions[1].path.name, 0, ROWS - 1)
    assert "joints that do not answer" not in found


def test_actions_at_their_limit_count_from_one_half(clean):
    for count, expected in ((ROWS // 2, []), (ROWS // 2 + 1, [(0, ROWS // 2)])):
        assert spans(planted(clean, "actions", (slice(count), 0), 1.0), "actions at their limit") == expected


def test_the_guard_is_a_finding_from_a_tenth_of_a_session(clean):
    both = int(Cause.POSITION_LIMIT | Cause.VELOCITY_LIMIT)
    for count, expected in ((ROWS // 10, []), (ROWS // 10 + 1, [(0, ROWS // 10)])):
        changed = planted(clean, "intervention", slice(count), both)
        assert spans(changed, "commands that the guard changed") == expected
    (found,) = quality.inspect(changed)[0]
    assert found.seen == "position_limit 41, velocity_limit 41"


def test_the_worst_comes_first(clean):
    bad = planted(planted(clean, "intervention", slice(100), 1), "rewards", 3, 7.0)
    assert [one.severity for one in quality.assess(bad).findings] == [Severity.ERROR, Severity.WARNING]


def test_figures_of_sessions_and_policies(tmp_path):
    rows = arm_rows(0, episodes=3)
    rows = [replace(row, behaviour=1, intervention=int(row.step < 5)) if row.episode == 1 else row for row in rows]
    data = arm_sessions(tmp_path, rows, arm_rows(1, episodes=2)[: STEPS + 5])
    found = quality.assess(data)
    first, second = found.sessions
    assert (first.outcome.rows, first.outcome.episodes, first.seconds, first.stop_reason) == (
        150,
        3,
        7.5,
        "window over",
    )
    assert first.outcome.changed == pytest.approx(5 / 150) and first.interventions == {"position_limit": 5}
    assert first.behaviours == pytest.approx({"random": 2 / 3, "policy": 1 / 3})
    # One whole episode and the first 5 rows of another, which count as rows but not as a return.
    assert (second.outcome.rows, second.outcome.episodes) == (55, 2)
    assert second.outcome.mean_return == pytest.approx(sum(row.reward for row in arm_rows(1)[:STEPS]), abs=1e-3)
    assert [(line.policy, line.behaviour, line.outcome.rows) for line in found.policies] == [
        ("none", "random", 155),
        ("none", "policy", 50),
    ]


def test_a_recording_from_elsewhere_is_checked_as_far_as_it_goes():
    data = recorded(np.random.default_rng(0))
    found = quality.assess(data)
    assert found.findings == [] and found.motion == []
    assert found.skipped["rewards that the task does not give"] == "the task 'recorded' has no reward formula"
    assert found.skipped["dead joints"] == "the dataset records no joints"
    assert found.policies[0].outcome.success_rate != found.policies[0].outcome.success_rate  # NaN: nobody can tell


def test_a_random_session_of_the_simulated_panda_is_clean():
    pytest.importorskip("pybullet", reason="PyBullet is not installed (pip install '.[sim]')")
    assert [one for one in quality.assess(simulated("reach", 600)).findings if one.severity > Severity.NOTE] == []


def test_a_random_session_of_the_grid_is_clean():
    found = quality.assess(simulated("gridworld", 600))
    assert found.findings == []
    assert "discrete" in found.skipped["actions at their limit"]


def test_the_commands_say_what_they_found(tmp_path):
    run = CliRunner().invoke
    writer = SessionWriter(tmp_path, arm_spec())
    for row in arm_rows(0):
        writer.append(row)
    writer.close()  # without sealing, as a killed recorder leaves it
    assert f"recovered {ROWS} rows of {EPISODES} episodes" in run(app, ["recover", str(tmp_path)]).output
    assert "nothing to recover" in run(app, ["recover", str(tmp_path)]).output
    assert "1 sessions on the manifest, 0 problems" in run(app, ["verify", str(tmp_path)]).output
    shown = run(app, ["info", str(tmp_path)]).output
    assert "No problems found" in shown and "of 10:" in shown
    told = json.loads(run(app, ["info", "--json", str(tmp_path)]).stdout)
    assert told["rows"] == ROWS and told["fingerprint"] == arm_spec().fingerprint()
    assert told["score"] == pytest.approx(sum(part["points"] for part in told["parts"]))
    session = next(tmp_path.glob("*.h5"))
    session.write_bytes(session.read_bytes()[:-9])
    for command, code, words in (("verify", 1, "truncated"), ("info", 2, "changed after it was sealed")):
        result = run(app, [command, str(tmp_path)])
        assert result.exit_code == code and words in result.output and "Traceback" not in result.output


def test_a_page_that_cannot_be_written_is_one_line(tmp_path):
    arm_sessions(tmp_path, arm_rows(0, episodes=2))
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["info", str(tmp_path), "--html", str(tmp_path / "file" / "page.html")])
    assert result.exit_code == 2 and "the page cannot be written" in result.output
