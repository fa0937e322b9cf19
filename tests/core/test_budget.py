import numpy as np
import pytest

from turn_rl_ros.core.guard.budget import WEAR_SPENT, WINDOW_SPENT, Budget, Window
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.task import make_spec

PERIOD_NS = 50_000_000


@pytest.fixture(scope="module")
def spec():
    return make_spec({"kind": "gridworld"})


def budget_of(spec, grant=(), wear=(), **parameters):
    return Budget(spec, GuardConfig(**parameters), dict(grant), dict(wear))


def move(budget, rows, effort=None):
    """The joint `row` at these positions, one a period; `column` stands."""
    for tick, row in enumerate(rows):
        budget.observe(np.array([row, 0.0]), effort, tick * PERIOD_NS)


def test_a_window_of_a_second_at_20_hz_is_20_ticks_long():
    window = Window(1.0)
    ticks = [window.tick(7_000_000_000 + k * PERIOD_NS) for k in range(21)]
    assert ticks == [False] * 20 + [True]
    assert window.used_s == pytest.approx(1.0)


def test_a_clock_that_runs_backwards_ends_the_window_and_costs_what_was_used():
    window = Window(60.0)
    window.tick(0)
    window.tick(PERIOD_NS * 10)
    assert window.tick(PERIOD_NS * 9)
    assert window.tick(PERIOD_NS * 11), "and nothing opens it again"
    assert window.used_s == pytest.approx(0.5)


def test_stamps_that_crawl_do_not_stretch_a_window():
    """A driver's clock at a tenth of its speed: the steady clock says that a second has passed."""
    window = Window(1.0)
    ticks = [window.tick(k * PERIOD_NS // 10, steady_ns=5 + k * PERIOD_NS) for k in range(21)]
    assert ticks == [False] * 20 + [True]


def test_a_grant_goes_on_where_the_last_window_ended(spec):
    budget = budget_of(spec, {"seconds": 59.0, "steps": 7, "episodes": 2}, window_s=60.0)
    assert budget.window.left_s == pytest.approx(1.0)
    move(budget, [0.0] * 21)
    assert budget.spent == WINDOW_SPENT
    assert budget.records()[0] == {"seconds": pytest.approx(60.0), "steps": 7, "episodes": 2}
    assert budget_of(spec, budget.records()[0], window_s=60.0).spent == WINDOW_SPENT


def test_wear_adds_up_over_windows(spec):
    """0.3 out, 0.2 back, twice: 1.0 m and three reversals a window."""
    wear = {}
    for _ in range(2):
        budget = budget_of(spec, wear=wear)
        move(budget, [0.0, 0.3, 0.1, 0.4, 0.2])
        wear = budget.records()[1]
    assert wear["travel"] == {"row": pytest.approx(2.0), "column": 0.0}
    assert wear["reversals"] == {"row": 6.0, "column": 0.0}
    assert wear["seconds"] == pytest.approx(0.4)


def test_flicker_of_an_encoder_is_no_reversal(spec):
    budget = budget_of(spec)
    move(budget, [0.0, 0.1, 0.1 - 5e-4, 0.1, 0.1 - 5e-4, 0.2])
    assert budget.records()[1]["reversals"]["row"] == 0.0


def test_slow_creep_back_is_one_reversal(spec):
    budget = budget_of(spec)
    move(budget, [0.0, 0.1, *(0.1 - 4e-4 * k for k in range(1, 20))])
    assert budget.records()[1]["reversals"]["row"] == 1.0


def test_time_at_high_load_counts_joint_by_joint(spec):
    budget = budget_of(spec, high_load=(5.0, 5.0))
    move(budget, [0.0] * 11, effort=np.array([-6.0, 4.0]))
    assert budget.records()[1]["high_load_s"] == {"row": pytest.approx(0.5), "column": 0.0}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"max_travel": 0.25}, "travel of row, 0.3 of 0.25"),
        ({"max_reversals": 1}, "reversals of row, 1 of 1"),
        ({"high_load": (1.0, 1.0), "max_high_load_s": 0.1}, "seconds at high load of row, 0.1 of 0.1"),
    ],
)
def test_wear_has_its_limits_and_says_which_joint(spec, parameters, words):
    budget = budget_of(spec, **parameters)
    move(budget, [0.0, 0.2, 0.1], effort=np.array([2.0, 0.0]))
    assert budget.spent == f"{WEAR_SPENT}: {words}"
    assert budget_of(spec, wear=budget.records()[1], **parameters).spent, "and keeps them after a restart"


def test_steps_and_episodes_end_a_grant(spec):
    budget = budget_of(spec, max_steps=3)
    assert [budget.admits(0) for _ in range(4)] == [True, True, True, False]
    assert budget.spent == f"{WINDOW_SPENT}: 3 of 3 steps"
    budget = budget_of(spec, max_episodes=2)
    assert [budget.admits(episode) for episode in (0, 0, 1, 1, 2)] == [True, True, True, True, False]
    assert budget.spent == f"{WINDOW_SPENT}: 2 of 2 episodes"


def test_what_is_charged_ahead_is_never_less_than_what_can_be_used(spec):
    """A second at 20 Hz: 20 commands, a new episode, every joint at its top speed of 2 m/s, a reversal a period."""
    budget = budget_of(spec, window_s=60.0)
    grant, wear = budget.records(ahead_s=1.0)
    assert grant == {"seconds": 1.0, "steps": 20, "episodes": 1}
    assert wear["travel"]["row"] == pytest.approx(2.0) and wear["reversals"]["row"] == 20.0


def test_no_more_than_the_window_is_charged_ahead(spec):
    assert budget_of(spec, window_s=0.4).records(ahead_s=1.0)[0]["seconds"] == pytest.approx(0.4)
