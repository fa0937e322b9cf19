"""Losses and gradients of the discrete algorithms against formulas written anew from the papers, in float64."""

import dataclasses

import numpy as np
import pytest
import torch

from turn_rl_ros.learn.algorithms import DISCRETE
from turn_rl_ros.learn.algorithms.base import Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.replay import Batch

SEEDS, ROWS, ACTIONS, DISCOUNT = 2, 16, 5, 0.9
LOW, HIGH = -10.0, 10.0
SETTINGS = {
    "discrete_cql": {"alpha": 0.7},
    "qr_dqn": {"quantiles": 7, "kappa": 0.3},
    "c51": {"atoms": 11},
    "rem": {"heads": 6},
    "discrete_bcq": {"threshold": 0.9},
}


def made(kind, data):
    """The algorithm with a target that differs from its network, a batch, and the mixture noise it will draw."""
    config = TrainerConfig(algorithm=kind.name, width=8, discount=DISCOUNT)
    inputs = Inputs(data.spec, data.observations, one_hot=False)
    problem = Problem(data.spec, data, inputs, LOW, HIGH, 0.3, Noise(range(SEEDS)))
    algorithm = kind(problem, config, dataclasses.replace(kind.Config(), **SETTINGS.get(kind.name, {})))
    generator = torch.Generator().manual_seed(9)
    for network in algorithm.networks.values():
        network.values.data.add_(0.5 * torch.randn(network.values.shape, generator=generator))
    draw = np.random.default_rng(3)
    batch = Batch(
        torch.from_numpy(draw.normal(size=(SEEDS, ROWS, 2)).astype(np.float32)),
        torch.from_numpy(draw.integers(0, ACTIONS, (SEEDS, ROWS))),
        torch.from_numpy(draw.normal(size=(SEEDS, ROWS)).astype(np.float32)),
        torch.from_numpy(draw.normal(size=(SEEDS, ROWS, 2)).astype(np.float32)),
        torch.from_numpy((draw.random((SEEDS, ROWS)) < 0.3).astype(np.float32)),
    )
    before = algorithm.noise.state()
    uniform = algorithm.noise.uniform(SETTINGS.get(kind.name, {}).get("heads", 1)).double()
    algorithm.noise.restore(before)
    return algorithm, batch, uniform


class Net:
    """One seed's network in float64, written out."""

    def __init__(self, network, seed):
        self.leaves = [p[seed].detach().double().clone().requires_grad_() for layer in network.layers for p in layer]

    def __call__(self, x):
        (w0, b0, w1, b1, w2, b2) = self.leaves
        return torch.clamp(torch.clamp(x @ w0 + b0, min=0) @ w1 + b1, min=0) @ w2 + b2


def dqn(q, target, _, s, a, r, n, d, own, u):
    loss = 0.0
    for i in range(ROWS):
        goal = r[i] + (0.0 if d[i] else DISCOUNT * max(target(n[i])[0].tolist()))
        loss = loss + 0.5 * (q(s[i])[0, a[i]] - goal) ** 2 / ROWS
    return loss


def double_dqn(q, target, _, s, a, r, n, d, own, u):
    loss = 0.0
    for i in range(ROWS):
        best = int(np.argmax(q(n[i])[0].tolist()))
        goal = r[i] + (0.0 if d[i] else DISCOUNT * target(n[i])[0, best].item())
        loss = loss + 0.5 * (q(s[i])[0, a[i]] - goal) ** 2 / ROWS
    return loss


def discrete_cql(q, target, _, s, a, r, n, d, own, u):
    gap = sum(torch.log(torch.exp(q(s[i])[0]).sum()) - q(s[i])[0, a[i]] for i in range(ROWS)) / ROWS
    return double_dqn(q, target, _, s, a, r, n, d, own, u) + 0.7 * gap


def qr_dqn(q, target, _, s, a, r, n, d, own, u):
    """Algorithm 1 and eq. 10 of Dabney et al., one pair of quantile and sample at a time."""
    count, kappa, loss = 7, 0.3, 0.0
    for i in range(ROWS):
        theta, after = q(s[i]).reshape(ACTIONS, count)[a[i]], target(n[i]).detach().reshape(ACTIONS, count)
        best = after[int(after.mean(1).argmax())]
        for k in range(count):
            for j in range(count):
                u_kj = r[i] + (0.0 if d[i] else DISCOUNT * best[j].item()) - theta[k]
                huber = 0.5 * u_kj**2 if abs(u_kj) <= kappa else kappa * (abs(u_kj) - 0.5 * kappa)
                level = (k + 0.5) / count
                loss = loss + abs(level - float(u_kj < 0)) * huber / count / ROWS
    return loss


def c51(q, target, _, s, a, r, n, d, own, u):
    """Algorithm 1 of Bellemare et al., one atom at a time."""
    count, loss = 11, 0.0
    atoms = [LOW + (HIGH - LOW) * k / (count - 1) for k in range(count)]
    for i in range(ROWS):
        after = torch.softmax(target(n[i]).detach().reshape(ACTIONS, count), 1)
        best = after[int((after @ torch.tensor(atoms, dtype=torch.float64)).argmax())]
        m = [0.0] * count
        for j in range(count):
            z = min(max(r[i].item() + (0.0 if d[i] else DISCOUNT * atoms[j]), LOW), HIGH)
            b = (z - LOW) / (HIGH - LOW) * (count - 1)
            below, above = int(np.floor(b)), int(np.ceil(b))
            m[below] += best[j].item() * ((above - b) if above > below else 1.0)
            m[above] += best[j].item() * (b - below)
        logits = q(s[i]).reshape(ACTIONS, count)[a[i]]
        log = logits - torch.log(torch.exp(logits).sum())
        loss = loss - sum(m[k] * log[k] for k in range(count)) / ROWS
    return loss


def rem(q, target, _, s, a, r, n, d, own, u):
    """Eq. 8 of Agarwal et al.; Huber with threshold 1."""
    share, loss = u / u.sum(), 0.0
    for i in range(ROWS):
        after = target(n[i]).detach().reshape(ACTIONS, 6) @ share
        error = q(s[i]).reshape(ACTIONS, 6)[a[i]] @ share - (r[i] + (0.0 if d[i] else DISCOUNT * after.max().item()))
        loss = loss + huber(error) / ROWS
    return loss


def discrete_bcq(q, target, imitation, s, a, r, n, d, own, u):
    """Algorithm 1 of Fujimoto et al."""
    loss = 0.0
    for i in range(ROWS):
        share = torch.softmax(imitation(n[i])[0], 0)
        allowed = [k for k in range(ACTIONS) if share[k] / share.max() > 0.9 or share[k] == share.max()]
        best = max(allowed, key=lambda k: q(n[i])[0, k].item())
        error = q(s[i])[0, a[i]] - (r[i] + (0.0 if d[i] else DISCOUNT * target(n[i])[0, best].item()))
        logits = imitation(s[i])[0]
        cross = torch.log(torch.exp(logits).sum()) - logits[a[i]]
        loss = loss + (huber(error) + cross + 0.01 * (logits**2).mean()) / ROWS
    return loss


def discrete_bc(q, target, _, s, a, r, n, d, own, u):
    return sum(torch.log(torch.exp(q(s[i])[0]).sum()) - q(s[i])[0, a[i]] for i in range(ROWS)) / ROWS


def huber(error):
    return 0.5 * error**2 if abs(error) <= 1 else abs(error) - 0.5


@pytest.mark.parametrize("kind", DISCRETE, ids=lambda kind: kind.name)
def test_loss_and_gradients_are_the_papers(kind, corridor_data):
    algorithm, batch, uniform = made(kind, corridor_data)
    loss, _ = algorithm.losses(batch)
    found = {
        name: torch.autograd.grad(loss.sum(), algorithm.parts(name), retain_graph=True) for name in algorithm.rates()
    }
    for seed in range(SEEDS):
        nets = {name: Net(network, seed) for name, network in algorithm.networks.items()}
        s, a, r, n, d = (part[seed].double() if part.is_floating_point() else part[seed] for part in batch)
        expected = globals()[kind.name](
            nets["q"], nets["target"], nets.get("imitation"), s, a, r, n, d, algorithm.own, uniform[seed]
        )
        assert loss[seed].item() == pytest.approx(expected.item(), rel=1e-5)
        for name in algorithm.rates():
            wanted = torch.cat(
                [g.flatten() for g in torch.autograd.grad(expected, nets[name].leaves, retain_graph=True)]
            )
            ours = torch.cat([gradient[seed].flatten() for gradient in found[name]]).double()
            assert (ours - wanted).norm() <= 1e-5 * wanted.norm(), name


def test_c51_gives_the_whole_share_of_a_return_beyond_the_atoms_to_the_last_one():
    from turn_rl_ros.learn.algorithms.c51 import project

    atoms = torch.tensor([0.0, 1.0, 2.0])
    # 0.25 lies a quarter of the way from atom 0 to atom 1; 5 lies beyond the end.
    found = project(torch.tensor([0.25, 5.0]), torch.tensor([0.4, 0.6]), atoms)
    assert found.tolist() == pytest.approx([0.3, 0.1, 0.6])
