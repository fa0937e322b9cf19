import numpy as np
import pytest

from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.task.grid import Grid
from turn_rl_ros.learn.tabular import outcomes, q_iteration
from turn_rl_ros.report.tabular import expected_return, optimal_policy
from turn_rl_ros.study.grid import optimum


def seen(rows, states=3, actions=2):
    """Of (state, action, reward, next state, terminal)."""
    state, action, reward, following, terminal = np.array(rows, dtype=float).T
    whole = (part.astype(int) for part in (state, action))
    return outcomes(*whole, reward, following.astype(int), terminal, states, actions)


def test_a_chain_by_hand():
    """0 -> 1 -> 2, which pays 1 for staying: 1 / (1 - 0.5) = 2, and half of it a step before."""
    found = q_iteration(seen([(0, 1, 0, 1, 0), (1, 1, 0, 2, 0), (2, 0, 1, 2, 0)]), np.zeros((3, 2)), 0.5, 200)
    np.testing.assert_allclose(found, [[0.0, 0.5], [0.0, 1.0], [2.0, 0.0]])


def test_outcomes_of_a_pair_are_weighed_and_an_end_is_worth_nothing_more():
    """Half of the time the move from 0 ends with reward 1, else it leads to 1, which is worth 1 / (1 - 0.5)."""
    rows = [(0, 0, 1, 0, 1), (0, 0, 0, 1, 0), (1, 0, 1, 1, 0)]
    found = q_iteration(seen(rows), np.zeros((3, 2)), 0.5, 200)
    assert found[0, 0] == pytest.approx(0.5 * 1.0 + 0.5 * 0.5 * 2.0)


def test_a_pair_without_data_keeps_its_first_value_and_lends_it_to_those_that_lead_there():
    first = np.zeros((3, 2))
    first[1, 0] = 8.0
    found = q_iteration(seen([(0, 1, 0, 1, 0)]), first, 0.5, 50)
    np.testing.assert_array_equal(found, [[0, 4], [8, 0], [0, 0]])


def test_the_value_of_a_policy():
    """Always action 0, which pays nothing in 2."""
    rows = [(0, 1, 0, 2, 0), (2, 0, 0, 2, 0), (2, 1, 1, 2, 0)]
    found = q_iteration(seen(rows), np.zeros((3, 2)), 0.5, 200, policy=np.zeros(3, int))
    np.testing.assert_allclose(found[2], [0.0, 1.0])
    assert found[0, 1] == 0.0


def test_conservative_values_are_where_the_gradient_of_cqls_loss_is_zero():
    """Two actions of one state that both end: minimise sum b/2 (Q - r)^2 + alpha (logsumexp Q - sum b Q)."""
    rows = [(0, 0, 1.0, 0, 1)] * 3 + [(0, 1, 2.0, 0, 1)]
    q = q_iteration(seen(rows, states=1), np.zeros((1, 2)), 0.9, 2000, alpha=0.3)[0]
    share, softmax = np.array([0.75, 0.25]), np.exp(q) / np.exp(q).sum()
    np.testing.assert_allclose(share * (q - [1.0, 2.0]) + 0.3 * (softmax - share), 0.0, atol=1e-9)
    assert q[1] < 2.0 < 1.0 + q[0], "what the data did less is worth less, what it did more is worth more"


def test_with_conservatism_an_action_without_data_is_never_chosen():
    """The one action of state 0 earns -1; the other, never tried, keeps no 0 to look better."""
    found = q_iteration(seen([(0, 1, -1.0, 1, 1)]), np.zeros((3, 2)), 0.9, 50, alpha=0.1)
    assert found[0].argmax() == 1 and found[0, 1] == pytest.approx(-1.0)
    np.testing.assert_array_equal(found[1:], 0.0)


def test_problems_side_by_side_are_the_problems_alone():
    one, two = [(0, 1, 0, 1, 0), (1, 0, 1, 1, 0)], [(0, 0, 1, 2, 0), (2, 1, 0, 0, 0)]
    both = seen(one + [(s + 3, a, r, n + 3, t) for s, a, r, n, t in two], states=6)
    alone = [q_iteration(seen(rows), np.zeros((3, 2)), 0.9, 100) for rows in (one, two)]
    np.testing.assert_array_equal(q_iteration(both, np.zeros((6, 2)), 0.9, 100), np.concatenate(alone))


def test_first_values_of_several_members_share_one_data():
    rows, first = [(0, 1, 0, 1, 0)], np.random.default_rng(0).random((4, 3, 2))
    together = q_iteration(seen(rows), first, 0.9, 30)
    for member, alone in zip(together, first, strict=True):
        np.testing.assert_array_equal(member, q_iteration(seen(rows), alone, 0.9, 30))


def test_the_optimum_of_the_studys_grid_is_that_of_backward_induction():
    spec = make_spec({"kind": "gridworld"})
    task = Grid(spec)
    assert optimum(spec, 0.95) == pytest.approx(expected_return(task, optimal_policy(task))) == 251.0
