import pytest
import torch

from turn_rl_ros.learn.networks import copied, follow, forward, frozen, make_layers, parameters, squash


def layers(members=2, sizes=(3, 4, 2), seed=0):
    return make_layers(members, sizes, torch.Generator().manual_seed(seed))


def test_log_density_of_a_squashed_gaussian_is_that_of_torch_distributions():
    mean, log_std, noise = torch.tensor([[0.3, -0.8]]), torch.tensor([[-0.5, 0.2]]), torch.tensor([[0.7, -1.1]])
    action, log_density = squash(mean, log_std, noise)
    reference = torch.distributions.TransformedDistribution(
        torch.distributions.Normal(mean, log_std.exp()), [torch.distributions.TanhTransform()]
    )
    assert log_density.item() == pytest.approx(reference.log_prob(action).sum().item(), abs=1e-5)


def test_log_density_stays_finite_where_tanh_saturates():
    _, log_density = squash(torch.tensor([30.0]), torch.tensor([0.0]), torch.tensor([0.0]))
    # log(1 - tanh(u)^2) tends to 2 log 2 - 2 u.
    assert log_density.item() == pytest.approx(-0.9189385 - (1.3862944 - 60.0), abs=1e-4)


def test_members_of_a_stack_do_not_mix():
    stack, x = layers(), torch.tensor([[1.0, -2.0, 0.5]])
    (w0, b0), (w1, b1) = stack
    for member in range(2):
        alone = (x @ w0[member] + b0[member]).relu() @ w1[member] + b1[member]
        torch.testing.assert_close(forward(stack, x)[member], alone)


def test_layer_norm_makes_hidden_units_indifferent_to_the_scale_of_a_linear_input():
    (w0, b0), last = layers(1)
    stack = [(w0, torch.zeros_like(b0)), last]
    x = torch.tensor([[1.0, -2.0, 0.5]])
    torch.testing.assert_close(forward(stack, x, True), forward(stack, 1000.0 * x, True), rtol=1e-3, atol=1e-3)


def test_polyak_step_by_hand():
    slow, fast = copied(layers(1, (1, 1), 0)), layers(1, (1, 1), 1)
    expected = [0.75 * s + 0.25 * f for s, f in zip(parameters(slow), parameters(fast), strict=True)]
    follow(slow, fast, 0.25)
    torch.testing.assert_close(parameters(slow), [e.detach() for e in expected])


def test_frozen_layers_share_weights_but_take_no_gradient():
    stack, x = layers(), torch.ones(1, 3, requires_grad=True)
    forward(frozen(stack), x).sum().backward()
    assert x.grad is not None
    assert all(tensor.grad is None for tensor in parameters(stack))
    assert frozen(stack)[0][0].data_ptr() == stack[0][0].data_ptr()
