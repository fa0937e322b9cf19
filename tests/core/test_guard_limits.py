"""The law of approach and the smooth stop, worked out by hand."""

import numpy as np
import pytest

from turn_rl_ros.core.guard.limits import approach


@pytest.mark.parametrize(
    ("speed", "way"),
    [
        (0.5, 0.05),  # one period at 0.5, then rest: 0.5 * 0.1
        (1.0, 0.10),  # the next period may be at 0
        (2.0, 0.30),  # 2.0, 1.0, 0: (2 + 1) * 0.1
        (2.5, 0.45),  # 2.5, 1.5, 0.5: 4.5 * 0.1
        (3.0, 0.60),
    ],
)
def test_the_speed_from_which_a_stop_just_fits(speed, way):
    """10 rad/s^2 and periods of 0.1 s: 1 rad/s less each period."""
    assert approach(np.array([way]), np.array([10.0]), 0.1)[0] == pytest.approx(speed)


def test_latency_is_way_at_full_speed():
    """2.0 rad/s for another 0.05 s is 0.1 rad more."""
    assert approach(np.array([0.40]), np.array([10.0]), 0.1, 0.05)[0] == pytest.approx(2.0)


def test_beyond_the_bound_there_is_no_speed_left():
    assert approach(np.array([-0.3, 0.0]), np.array([10.0, 10.0]), 0.1) == pytest.approx([0.0, 0.0])


def test_whoever_follows_it_comes_to_rest_at_the_bound_without_braking_harder():
    rng = np.random.default_rng(0)
    room = rng.uniform(0, 5, 1000)
    speed = approach(room, np.full(1000, 10.0), 0.1)
    for _ in range(100):
        room = room - 0.1 * speed
        slower = approach(room, np.full(1000, 10.0), 0.1)
        assert (speed - slower <= 1.0 + 1e-9).all()
        speed = slower
    np.testing.assert_allclose(room, 0.0, atol=1e-9)
