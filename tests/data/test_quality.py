from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from turn_rl_ros.commands.data import app
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data import quality
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.data.session import SessionWriter

STEPS = 40


@pytest.fixture
def rows(spec, sender):
    """Two episodes of a clean recording: both joints move 1 mm a step, told to go 0.02 m/s at 20 Hz."""
    task = make_task(spec)

    def make(number):
        episode, step = divmod(number, STEPS)
        position = np.array([0.2, 0.3]) + 1e-3 * number
        after, speed = position + 1e-3, np.full(2, 0.02)
        return replace(
            sender.transition(number, spec),
            action=np.full(2, 0.1 + 0.01 * step, np.float32),
            reward=float(task.reward(after, np.zeros(3))),
            terminated=False,
            truncated=step == STEPS - 1,
            joint_position=position,
            next_joint_position=after,
            joint_velocity=speed,
            next_joint_velocity=speed,
            goal=np.zeros(3),
            stamp_ns=number * spec.period_ns,
            next_stamp_ns=(number + 1) * spec.period_ns,
            episode=episode,
            step=step,
            command=speed,
        )

    return [make(number) for number in range(2 * STEPS)]


def found(rows, spec):
    return {one.what: one for one in quality.inspect(Dataset.from_transitions(rows, spec))}


def test_a_clean_recording_has_no_finding(rows, spec):
    assert found(rows, spec) == {}


def test_each_fault_is_found_where_it_is(rows, spec):
    rows[7] = replace(rows[7], reward=5.0)
    rows[50] = replace(rows[50], next_stamp_ns=rows[50].stamp_ns + 2 * spec.period_ns)
    rows[60] = replace(
        rows[60], next_joint_position=rows[60].next_joint_position + np.array([0, 3.1]), reward=rows[60].reward
    )
    result = found(rows, spec)
    assert result["rewards that the task does not give"].where == "first in memory, episode 0, step 7, row 7"
    assert result["gaps in time"].rows == 1 and "step 10, row 50" in result["gaps in time"].where
    assert result["encoder wraps"].rows == 1 and "row 60" in result["encoder wraps"].where


def test_a_clock_that_ran_backwards_is_a_gap(rows, spec):
    rows[3] = replace(rows[3], next_stamp_ns=rows[3].stamp_ns - 1)
    assert found(rows, spec)["gaps in time"].rows == 1


def test_nan_is_found(rows, spec):
    rows[9] = replace(rows[9], observation=np.array([np.nan, 0], np.float32))
    assert found(rows, spec)["values that are not finite"].rows == 1


def test_a_joint_that_stays_for_25_commands_is_stuck_and_for_24_is_not(rows, spec):
    spec = replace(spec, command_interface="velocity", joint_velocity=(0.1, 0.1))
    for length, expected in ((24, {}), (25, {"joints that do not answer": 25})):
        held = list(rows)
        for number in range(length):
            after = np.array([rows[number].next_joint_position[0], rows[number].joint_position[1]])
            held[number] = replace(rows[number], next_joint_position=after, reward=rows[number].reward)
        result = {what: one.rows for what, one in found(held, spec).items() if what.startswith("joints")}
        assert result == expected


def test_actions_at_their_limit_count_from_one_half(rows, spec):
    # limits are -1 and 1; one action of 80 rows: 40 at the limit is half, 41 is more
    for count, expected in ((40, False), (41, True)):
        pushed = [replace(r, action=np.array([1.0, 0.0], np.float32)) if i < count else r for i, r in enumerate(rows)]
        assert ("actions at their limit" in found(pushed, spec)) == expected


def test_an_episode_recorded_twice_is_found_in_the_second_session(tmp_path, rows, spec):
    for _ in range(2):
        writer = SessionWriter(tmp_path, spec)
        for row in rows[:STEPS]:
            writer.append(row)
        writer.seal("window over")
    data = load_dataset(tmp_path)
    assert np.flatnonzero(quality.duplicates(data)).tolist() == list(range(STEPS, 2 * STEPS))
    (finding,) = quality.inspect(data)
    assert data.sessions[1].path.name in finding.where and finding.where.endswith("episode 1, step 0, row 0")


def test_figures_of_a_session(tmp_path, rows, spec):
    spec = replace(spec, episode_steps=STEPS)
    writer = SessionWriter(tmp_path, spec, {"turn": 3})
    for row in rows[: STEPS + 5]:  # one whole episode and the start of another
        writer.append(row)
    writer.seal("budget spent", {"drops": {"stale": 2, "late": 1}})
    (line,) = quality.figures(load_dataset(tmp_path))
    assert (line.turn, line.rows, line.episodes, line.seconds) == (3, 45, 2, 45 / 20)
    assert line.mean_return == pytest.approx(sum(row.reward for row in rows[:STEPS]), abs=1e-4)
    assert (line.stop_reason, line.dropped) == ("budget spent", 3)


def test_the_commands_say_what_they_found(tmp_path, rows, spec):
    writer = SessionWriter(tmp_path, spec)
    for row in rows:
        writer.append(row)
    writer.close()
    run = CliRunner().invoke
    assert "recovered 80 rows of 2 episodes" in run(app, ["recover", str(tmp_path)]).output
    assert "nothing to recover" in run(app, ["recover", str(tmp_path)]).output
    assert "1 sessions on the manifest, 0 problems" in run(app, ["verify", str(tmp_path)]).output
    assert "No problems found" in run(app, ["info", str(tmp_path)]).output
    session = next(tmp_path.glob("*.h5"))
    session.write_bytes(session.read_bytes()[:-9])
    for command, code, words in (("verify", 1, "truncated"), ("info", 2, "changed after it was sealed")):
        result = run(app, [command, str(tmp_path)])
        assert result.exit_code == code and words in result.output and "Traceback" not in result.output
