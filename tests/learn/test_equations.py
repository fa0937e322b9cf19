import math

import pytest
import torch

from turn_rl_ros.learn import equations as eq


def test_gap_of_indifferent_critic_is_log_n():
    gap = eq.discrete_gap(torch.full((4, 3), 2.0), torch.zeros(4, dtype=torch.int64))
    assert gap.tolist() == pytest.approx([math.log(3)] * 4)


def test_gap_by_hand():
    # log(e^0 + e^1) - 0 = 1.3133 for the worse action, 0.3133 for the better one.
    values = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    gap = eq.discrete_gap(values, torch.tensor([0, 1]))
    assert gap.tolist() == pytest.approx([1.31326, 0.31326], abs=1e-5)


def test_gap_of_an_ensemble_is_each_members_own():
    values = torch.tensor([[[0.0, 1.0]], [[5.0, 5.0]]])
    assert eq.discrete_gap(values, torch.tensor([0]))[:, 0].tolist() == pytest.approx([1.31326, math.log(2)], abs=1e-5)


def test_sampled_gap_over_two_equally_likely_actions_is_the_explicit_logsumexp():
    # Two actions, each drawn with probability 1/2: mean of exp(Q) / (1/2) is exp(Q1) + exp(Q2).
    values = torch.tensor([[0.3], [1.7]])
    density = torch.full((2, 1), math.log(0.5))
    gap = eq.sampled_gap(values, density, torch.tensor([1.7]))
    assert gap.item() == pytest.approx(math.log(math.exp(0.3) + math.exp(1.7)) - 1.7, abs=1e-6)


def test_sampled_gap_is_the_same_integral_whatever_the_proposal():
    # Q(a) = -2 a^2 on [-1, 1]: uniform samples and samples from a density that grows with a agree on the integral.
    uniform = torch.linspace(-0.999, 0.999, 2001)
    skewed = 2.0 * torch.linspace(0.0005, 0.9995, 2001).sqrt() - 1.0  # density (a + 1) / 2
    same = torch.full((2001,), math.log(0.5))
    other = ((skewed + 1.0) / 2.0).log()
    gaps = [
        eq.sampled_gap((-2.0 * a.square())[:, None], d[:, None], torch.zeros(1)).item()
        for a, d in ((uniform, same), (skewed, other))
    ]
    assert gaps[0] == pytest.approx(math.log(1.19629), abs=2e-3)  # sqrt(pi / 2) erf(sqrt 2)
    assert gaps[1] == pytest.approx(gaps[0], abs=2e-2)


def test_uniform_density_integrates_to_one():
    assert math.exp(eq.uniform_log_density(7)) * 2.0**7 == pytest.approx(1.0)


def test_a_truncated_step_bootstraps_and_a_terminal_one_does_not():
    target = eq.bootstrap(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0]), torch.tensor([10.0, 10.0]), 0.9)
    assert target.tolist() == pytest.approx([10.0, 1.0])


def test_double_q_takes_the_online_choice_at_the_targets_value():
    online, target = torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([[9.0, 4.0, 7.0]])
    assert eq.double_q_value(online, target).item() == 4.0


def test_temperature_rises_while_entropy_is_too_low():
    log_temperature = torch.tensor(0.0, requires_grad=True)
    eq.temperature_loss(log_temperature, torch.tensor([2.0, 4.0]), -1.0).backward()  # entropy -3, wanted -1
    assert log_temperature.grad.item() == pytest.approx(-2.0)  # descent on it raises the temperature


def test_return_bounds_are_the_geometric_series_and_include_an_early_end():
    assert eq.return_bounds(-1.5, -0.5, 0.9) == pytest.approx((-15.0, 0.0))
    assert eq.return_bounds(0.5, 1.0, 0.9) == pytest.approx((0.0, 10.0))


def test_squared_error_is_halved_and_averages_the_batch_of_each_critic():
    prediction = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    assert eq.squared_error(prediction, torch.tensor([0.0, 1.0])).tolist() == pytest.approx([1.25, 0.25])


def test_alpha_rises_while_the_gap_is_above_the_allowed_one():
    log_alpha = torch.zeros(2, requires_grad=True)
    eq.lagrange_loss(log_alpha.exp(), torch.tensor([[7.0, 6.0], [4.0, 3.0]]), 5.0).sum().backward()
    assert log_alpha.grad.tolist() == pytest.approx([-3.0, 3.0])  # descent raises the first seed's, lowers the other's


def test_expectile_loss_weighs_what_lies_below_less():
    # 0.9 * 2^2 above, 0.1 * 2^2 below: mean 2.
    assert eq.expectile_loss(torch.tensor([2.0, -2.0]), 0.9).item() == pytest.approx(2.0)


def test_advantage_weights_are_exponential_up_to_a_limit():
    weights = eq.advantage_weight(torch.tensor([0.0, 0.5, 50.0]), 2.0, 100.0)
    assert weights.tolist() == pytest.approx([1.0, math.e, 100.0], rel=1e-5)


def test_gaussian_density_of_a_standard_normal():
    # At the mean of two dimensions 1 / (2 pi); one standard deviation of 2 away in one of them, e^(-1/2) / 2 of that.
    action, mean = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.zeros(2, 2)
    log_std = torch.tensor([[0.0, 0.0], [math.log(2.0), 0.0]])
    density = eq.gaussian_log_density(action, mean, log_std).exp() * 2 * math.pi
    assert density.tolist() == pytest.approx([1.0, math.exp(-0.5) / 2], rel=1e-5)
