import numpy as np
import pytest
import torch

from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.hindsight import shows_goal
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.replay import CHUNK, Replay, Stream, last_rows, scaled_actions


def tip_of(q):
    """The planar arm's end effector by school trigonometry, links of 0.5 m and 0.3 m; q (..., 2) -> (..., 3)."""
    a, b = q[..., 0], q[..., 0] + q[..., 1]
    x, y = 0.5 * np.cos(a) + 0.3 * np.cos(b), 0.5 * np.sin(a) + 0.3 * np.sin(b)
    return np.stack([x, y, np.zeros_like(x)], axis=-1)


def draw(data, size=2000, **shares):
    return Replay(data, make_task(data.spec), TrainerConfig(**shares)).draw(size, np.random.default_rng(1))


def stream(data, seeds):
    replay = Replay(data, make_task(data.spec), TrainerConfig(hindsight_share=0.5))
    return Stream(replay, Inputs(data.spec, data.observations, one_hot=False), 4, seeds)


def goal_of(batch):
    return batch.observation[:, 4:7] + batch.observation[:, 7:10]


@pytest.mark.parametrize("share", ["hindsight_share", "resample_share"])
def test_relabelled_rows_are_what_trigonometry_says(planar_data, share):
    batch = draw(planar_data, **{share: 1.0})
    tip, after = tip_of(batch.observation[:, :2]), tip_of(batch.next_observation[:, :2])
    goal = goal_of(batch)
    np.testing.assert_allclose(batch.observation[:, 4:7], tip, atol=1e-6)
    np.testing.assert_allclose(batch.next_observation[:, 7:10], goal - after, atol=1e-6)
    distance = np.linalg.norm(goal - after, axis=1)
    clear = np.abs(distance - 0.05) > 1e-5  # float32 observations cannot tell the radius itself
    np.testing.assert_allclose(batch.reward[clear], (-1.0 * (distance > 0.05) - distance)[clear], atol=1e-5)


def test_hindsight_goals_are_reached_later_in_the_same_episode(planar_data):
    batch = draw(planar_data, hindsight_share=1.0)
    tips = tip_of(planar_data.next_joint_position)
    for observation, goal in zip(batch.observation[:200], goal_of(batch), strict=False):
        own = int(np.abs(planar_data.joint_position - observation[:2]).sum(1).argmin())
        if own % 10 == 0:  # all episodes start in the same state: any may be meant
            continue
        reached = int(np.linalg.norm(tips - goal, axis=1).argmin())
        np.testing.assert_allclose(tips[reached], goal, atol=1e-6)
        assert own <= reached < 10 * (own // 10 + 1)


def test_goals_are_the_episodes_own_without_relabelling(planar_data):
    batch = draw(planar_data)
    own = {tuple(goal.round(5)) for goal in planar_data.goal}
    assert {tuple(goal.round(5)) for goal in goal_of(batch).astype(np.float64)} <= own


def test_shares_add_up(planar_data):
    batch = draw(planar_data, size=20000, hindsight_share=0.5, resample_share=0.3)
    own = {tuple(goal.round(4)) for goal in planar_data.goal}
    kept = np.mean([tuple(goal.round(4)) in own for goal in goal_of(batch).astype(np.float64)])
    assert kept == pytest.approx(0.2, abs=0.02)


def test_time_outs_are_not_terminal(planar_data):
    assert planar_data.timeouts.sum() == 5
    assert not draw(planar_data).terminal.any()


def test_last_row_of_each_episode(planar_data):
    assert last_rows(planar_data).tolist() == [10 * (i // 10) + 9 for i in range(50)]


def test_actions_are_scaled_to_their_bounds(planar_data):
    np.testing.assert_allclose(scaled_actions(planar_data), planar_data.actions, atol=1e-7)  # bounds are -1 and 1


def test_a_goal_that_cannot_be_seen_is_not_relabelled(corridor_data):
    assert not shows_goal(corridor_data, make_task(corridor_data.spec))
    batch = draw(corridor_data, hindsight_share=1.0)
    in_r = batch.next_observation[:, 1] == 2
    np.testing.assert_array_equal(batch.reward, in_r.astype(np.float32))


def test_batches_of_a_seed_do_not_depend_on_its_neighbours(planar_data):
    both, alone = stream(planar_data, (3, 4)), stream(planar_data, (4,))
    for _ in range(CHUNK + 1):
        for part, its in zip(both.next(), alone.next(), strict=True):
            torch.testing.assert_close(part[1:], its, rtol=0, atol=0)


def test_a_stream_goes_on_from_the_end_of_a_chunk_and_from_there_alone(planar_data):
    first, second = stream(planar_data, (3, 4)), stream(planar_data, (5, 6))
    for _ in range(CHUNK):
        first.next()
    second.restore(first.state())
    for part, its in zip(first.next(), second.next(), strict=True):
        torch.testing.assert_close(part, its, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match=f"multiple of {CHUNK}"):
        first.state()
