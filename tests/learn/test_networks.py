import numpy as np
import pytest
import torch

from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.networks import Network, squash


def stack(sizes=(3, 4, 2), copies=2, layer_norm=False):
    """Two seeds."""
    return Network(sizes, [torch.Generator().manual_seed(seed) for seed in (0, 1)], copies, layer_norm)


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


def test_members_do_not_mix_and_each_seed_sees_its_own_rows():
    network, x = stack(), torch.randn(2, 5, 3)
    (w0, b0), (w1, b1) = network.layers
    for member in range(4):
        alone = (x[member // 2] @ w0[member] + b0[member]).relu() @ w1[member] + b1[member]
        torch.testing.assert_close(network(x)[member], alone)


def test_first_weights_of_a_seed_do_not_depend_on_its_neighbours():
    alone = Network((3, 4, 2), [torch.Generator().manual_seed(1)], 2)
    torch.testing.assert_close(stack().values[2:], alone.values, rtol=0, atol=0)


def test_first_weights_fill_their_range():
    (weight, _bias), *_ = stack((100, 50)).layers
    assert weight.abs().max().item() == pytest.approx(0.1, rel=0.01)  # 1 / sqrt(100)
    assert weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)  # of a uniform distribution


def test_a_one_hot_index_is_a_one_hot_vector():
    network, index = stack(), torch.tensor([[0, 2], [1, 1]])
    torch.testing.assert_close(network(index), network(torch.nn.functional.one_hot(index, 3).float()))


def test_layer_norm_makes_hidden_units_indifferent_to_the_scale_of_a_linear_input():
    network, x = stack(layer_norm=True), torch.randn(2, 1, 3)
    with torch.no_grad():
        network.layers[0][1].zero_()
    torch.testing.assert_close(network(x), network(1000.0 * x), rtol=1e-3, atol=1e-3)


def test_polyak_step_by_hand():
    fast = stack()
    slow = fast.copy()
    slow.values.fill_(1.0)
    slow.follow(fast, 0.25)
    torch.testing.assert_close(slow.values, 0.75 + 0.25 * fast.values)


def test_a_copy_is_of_its_own():
    network = stack()
    copy = network.copy()
    before = copy.layers[0][0].clone()
    network.values.zero_()
    torch.testing.assert_close(copy.layers[0][0], before, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:grad and param do not obey")  # torch would have chosen another layout
def test_gradients_of_all_layers_lie_in_one_buffer():
    network = stack().learnable()
    network(torch.randn(2, 5, 3)).square().sum().backward()
    parts = [part.grad.flatten(1) for layer in network.layers for part in layer]
    torch.testing.assert_close(network.values.grad, torch.cat(parts, 1), rtol=0, atol=0)
    assert network.values.grad.abs().min() >= 0 and network.values.grad.abs().sum() > 0


def test_fixed_weights_pass_gradients_to_the_input_alone():
    network, x = stack().learnable(), torch.ones(2, 1, 3, requires_grad=True)
    network.fixed(x).sum().backward()
    assert x.grad is not None
    assert not network.values.grad.any()


def test_the_arrays_of_a_seed_are_its_members_first_outputs():
    network = stack()
    arrays = network.arrays(1, outputs=1)
    assert {name: array.shape for name, array in arrays.items()} == {
        "w0": (2, 3, 4), "b0": (2, 1, 4), "w1": (2, 4, 1), "b1": (2, 1, 1),
    }  # fmt: skip
    np.testing.assert_array_equal(arrays["w1"], network.layers[1][0][2:, :, :1].numpy())


def test_a_constant_input_is_left_alone_by_the_normalisation(planar_spec):
    observations = np.tile(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32), 5)
    inputs = Inputs(planar_spec, observations, one_hot=False)
    assert inputs(observations)[:, :2].tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_a_folded_first_layer_takes_the_observation_as_it_is(planar_spec):
    observations = np.random.default_rng(0).normal(3.0, 2.0, (20, 10)).astype(np.float32)
    inputs, network = Inputs(planar_spec, observations, one_hot=False), stack((10, 2), copies=1)
    folded = inputs.fold(network.arrays(0))
    wanted = network(inputs(observations)[None].expand(2, -1, -1))[0]
    np.testing.assert_allclose(observations @ folded["w0"][0] + folded["b0"][0], wanted.numpy(), atol=1e-5)


def test_cells_are_counted_row_by_row(corridor_spec):
    inputs = Inputs(corridor_spec, np.zeros((1, 2), np.float32), one_hot=True)
    assert inputs.size == 3
    assert inputs(np.array([[0.0, 0.0], [0.0, 2.0]], np.float32)).tolist() == [0, 2]
