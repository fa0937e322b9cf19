"""n-step returns by hand, on one episode of five steps, and with other goals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.replay import Replay

HALF = TrainerConfig(discount=0.5, n_step=3, hindsight_share=0.0)


@pytest.fixture
def five(corridor_data):
    """Rewards 1 to 5 in one episode; each row's next observation is the observation of the row after it."""
    rows = corridor_data.to_rows()[:5]
    rows["episode"], rows["step"], rows["timeouts"] = 0, np.arange(5), False
    rows["rewards"] = np.arange(1.0, 6.0)
    rows["next_observations"] = np.arange(10.0).reshape(5, 2)
    return Dataset.from_rows(rows, corridor_data.spec)


def three_steps(data):
    return Replay(data, make_task(data.spec), HALF).relabelled(np.arange(len(data)), np.random.default_rng(0), 3)


def target(rows, value):
    reward, terminal = torch.from_numpy(rows.reward), torch.from_numpy(rows.terminal)
    return eq.bootstrap(reward, terminal, torch.full_like(reward, value), 0.5).tolist()


def test_a_truncated_episode_goes_on_from_its_last_state_with_the_power_of_the_steps_taken(five):
    """Row 0: 1 + 2/2 + 3/4 + 8/8; the last three rows run into the time-out after 3, 2 and 1 steps."""
    found = three_steps(five)
    assert target(found, 8.0) == [3.75, 5.5, 3 + 2 + 1.25 + 1, 4 + 2.5 + 2, 5 + 4]
    assert found.next_observation[:, 0].tolist() == [4, 6, 8, 8, 8]


def test_nothing_counts_beyond_a_terminal_state(five):
    found = three_steps(replace(five, terminals=np.arange(5) == 4, timeouts=np.zeros(5, bool)))
    assert target(found, 8.0) == [3.75, 5.5, 3 + 2 + 1.25, 4 + 2.5, 5]


def test_no_return_reaches_across_a_missing_step(five):
    """Without step 2, row 1 stands alone: 2 + 8/2; and rows 0 and 1 end where row 1 led."""
    rows = np.delete(five.to_rows(), 2)
    found = three_steps(Dataset.from_rows(rows, five.spec))
    assert target(found, 8.0) == [1 + 1 + 2, 2 + 4, 4 + 2.5 + 2, 5 + 4]
    assert found.next_observation[:, 0].tolist() == [2, 2, 8, 8]


@pytest.mark.parametrize("share", ["hindsight_share", "resample_share"])
def test_every_reward_of_a_return_is_that_of_the_new_goal(planar_data, share):
    """By the task's kinematics: the goal is in the observation, the distances are those after steps 1, 2 and 3."""
    task = make_task(planar_data.spec)
    config = TrainerConfig(discount=0.5, **{share: 1.0})
    found = Replay(planar_data, task, config).relabelled(np.arange(50), np.random.default_rng(0), 3)
    goal = (found.observation[:, 4:7] + found.observation[:, 7:10]).astype(np.float64)
    assert np.abs(goal - planar_data.goal).max() > 0.1
    for row in range(50):
        last = min(row + 2, 10 * (row // 10) + 9)
        distance = task.distance(planar_data.next_joint_position[row : last + 1], goal[row])
        if (np.abs(distance - 0.05) < 1e-5).any():  # float32 goals cannot tell the radius itself
            continue
        rewards = -1.0 * (distance > 0.05) - distance
        assert found.reward[row] == pytest.approx(rewards @ 0.5 ** np.arange(len(rewards)), abs=1e-5)
        assert found.terminal[row] == 1 - 0.5 ** (last - row)
        np.testing.assert_allclose(found.next_observation[row, :2], planar_data.next_joint_position[last], atol=1e-6)


def test_one_step_is_what_is_drawn_without_it(planar_data):
    replay = Replay(planar_data, make_task(planar_data.spec), TrainerConfig(hindsight_share=0.5, resample_share=0.3))
    for part, drawn in zip(
        replay.batch(200, np.random.default_rng(1)), replay.draw(200, np.random.default_rng(1)), strict=True
    ):
        np.testing.assert_array_equal(part, drawn)
