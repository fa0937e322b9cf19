"""Losses and gradients of the continuous algorithms against float64 ones written from the papers, one seed at a time.

The reference shares weights, batch and noise with the learner, and nothing else: its networks are one matrix after the
other, its densities those of `torch.distributions`, its gradients autograd's of each network's own loss.
"""

import math

import pytest
import torch
from torch.distributions import Normal

from turn_rl_ros.learn.algorithms import CONTINUOUS, find_algorithm
from turn_rl_ros.learn.algorithms.base import Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.replay import Batch

SEEDS, ROWS = 2, 24
DISCOUNT, LOW, HIGH = 0.9, -3.0, 2.0
PLAIN = TrainerConfig(width=16, batch_size=ROWS, discount=DISCOUNT, target_rate=0.25, average_rate=0.5)
ROBUST = TrainerConfig(width=16, batch_size=ROWS, discount=DISCOUNT, layer_norm=True, clamp_targets=True)


class Tape(Noise):
    """Remembers what it drew."""

    def __init__(self, seeds):
        super().__init__(seeds)
        self.drawn = []

    def _stack(self, draw, shape):
        self.drawn.append(super()._stack(draw, shape))
        return self.drawn[-1]


def learner(name, config, data, **own):
    """The algorithm with every weight somewhere of its own, targets and averages too."""
    kind = find_algorithm(name, discrete=False)
    inputs = Inputs(data.spec, data.observations, one_hot=False)
    made = kind(Problem(data.spec, data, inputs, LOW, HIGH, -0.1, Tape(range(SEEDS))), config, kind.Config(**own))
    torch.manual_seed(5)
    with torch.no_grad():
        for network in made.networks.values():
            network.values += 0.1 * torch.randn_like(network.values)
        for number in made.scalars.values():
            number += 0.1 * torch.randn_like(number)
    return made


def random_batch(spec):
    torch.manual_seed(7)
    n, size = spec.action.size, spec.observation.size
    return Batch(
        torch.randn(SEEDS, ROWS, size),
        torch.rand(SEEDS, ROWS, n) * 2 - 1,
        torch.randn(SEEDS, ROWS),
        torch.randn(SEEDS, ROWS, size),
        (torch.rand(SEEDS, ROWS) < 0.3).float(),
    )


class Reference:
    """One seed of a learner in float64: `losses` names for each group of networks the loss that it descends."""

    def __init__(self, algorithm, seed, batch, drawn):
        self.own, self.config = algorithm.own, algorithm.config
        self.leaves, self.nets = {}, {}
        for name, network in algorithm.networks.items():
            rows = range(seed * network.copies, (seed + 1) * network.copies)
            self.nets[name] = [
                [tuple(part[row].detach().double().requires_grad_() for part in layer) for layer in network.layers]
                for row in rows
            ]
            self.leaves[name] = [part for member in self.nets[name] for layer in member for part in layer]
        for name, number in algorithm.scalars.items():
            self.nets[name] = number[seed].detach().double().requires_grad_()
            self.leaves[name] = [self.nets[name]]
        self.s, self.a, self.r, self.s2, self.end = (part[seed].double() for part in batch)
        self.noise = [part[seed].double() for part in drawn]

    def net(self, name, x, member=0):
        *hidden, (weight, bias) = self.nets[name][member]
        for w, b in hidden:
            x = x @ w + b
            if self.config.layer_norm and name in ("critic", "target", "value"):
                x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
            x = torch.where(x > 0, x, 0.0)
        return x @ weight + bias

    def q(self, name, s, a, member):
        return self.net(name, torch.cat([s, a], 1), member)[:, 0]

    def both(self, name, s, a):
        return torch.minimum(self.q(name, s, a, 0), self.q(name, s, a, 1))

    def bellman(self, next_value):
        y = torch.where(self.end > 0, self.r, self.r + DISCOUNT * next_value).detach()
        return y.clip(LOW, HIGH) if self.config.clamp_targets else y

    def critic_loss(self, y):
        return sum(0.5 * ((self.q("critic", self.s, self.a, i) - y) ** 2).mean() for i in (0, 1))

    def weighted_regression(self, advantage, scale):
        """Log likelihood of the data under N(tanh(mean), std), weighted by exp(scale * advantage) up to 100."""
        weight = torch.exp(scale * advantage).clip(max=100.0).detach()
        policy = Normal(torch.tanh(self.net("actor", self.s)), torch.exp(self.nets["log_std"]))
        return -(weight * policy.log_prob(self.a).sum(1)).mean()


class Bc(Reference):
    def losses(self):
        return {("actor",): ((torch.tanh(self.net("actor", self.s)) - self.a) ** 2).mean()}


class Iql(Reference):
    def losses(self):
        v = self.net("value", self.s)[:, 0]
        u = self.both("target", self.s, self.a).detach() - v
        expectile = torch.where(u < 0, 1 - self.own.expectile, self.own.expectile) * u**2
        return {
            ("value",): expectile.mean(),
            ("critic",): self.critic_loss(self.bellman(self.net("value", self.s2)[:, 0])),
            ("actor", "log_std"): self.weighted_regression(u, self.own.beta),
        }


class Awac(Reference):
    def draw(self, s, noise):
        return (torch.tanh(self.net("actor", s)) + torch.exp(self.nets["log_std"]) * noise).clip(-1, 1)

    def losses(self):
        y = self.bellman(self.both("target", self.s2, self.draw(self.s2, self.noise[0])))
        value = self.both("critic", self.s, self.draw(self.s, self.noise[1]))
        advantage = self.both("critic", self.s, self.a) - value
        policy = self.weighted_regression(advantage, 1 / self.own.temperature)
        return {("critic",): self.critic_loss(y), ("actor", "log_std"): policy}


class Td3Bc(Reference):
    def losses(self):
        smooth = (self.own.policy_noise * self.noise[0]).clip(-self.own.noise_clip, self.own.noise_clip)
        there = (torch.tanh(self.net("actor_target", self.s2)) + smooth).clip(-1, 1)
        found = {("critic",): self.critic_loss(self.bellman(self.both("target", self.s2, there)))}
        if self.own.policy_every == 1:
            action = torch.tanh(self.net("actor", self.s))
            q = self.q("critic", self.s, action, 0)
            weight = self.own.alpha / q.abs().mean().detach()
            found["actor",] = -weight * q.mean() + ((action - self.a) ** 2).mean()
        return found


class Cql(Reference):
    def sample(self, s, noise):
        """Actions and log densities, the change of variables written out (Haarnoja et al. 2018, eq. 21)."""
        mean, log_std = self.net("actor", s).chunk(2, 1)
        std = torch.exp(log_std.clip(-5, 1))
        u = mean + std * noise
        return torch.tanh(u), (Normal(mean, std).log_prob(u) - torch.log(1 - torch.tanh(u) ** 2)).sum(1)

    def gap(self, member):
        """Importance-sampled logsumexp over uniform, present and next policy's actions (appendix F), less Q(s, a)."""
        some = self.noise[2].shape[1]
        s, terms = self.s[:some], []
        for number in range(self.own.action_samples):
            action, density = self.sample(s, self.noise[2][number])
            rho = self.own.variant == "rho"
            terms.append(self.q("critic", s, action.detach(), member) - (0 if rho else density.detach()))
            if rho:
                continue
            uniform = 2 * self.noise[3][number] - 1
            terms.append(self.q("critic", s, uniform, member) - uniform.shape[1] * math.log(0.5))
            action, density = self.sample(self.s2[:some], self.noise[4][number])
            terms.append(self.q("critic", s, action.detach(), member) - density.detach())
        soft = torch.log(torch.exp(torch.stack(terms)).mean(0))
        return (soft - self.q("critic", s, self.a[:some], member)).mean()

    def losses(self):
        own = self.own
        temperature = torch.exp(self.nets["temperature"])
        next_action, next_density = self.sample(self.s2, self.noise[1])
        value = self.both("target", self.s2, next_action)
        if own.entropy_backup:
            value = value - temperature * next_density
        gaps = [self.gap(member) for member in (0, 1)]
        alpha = torch.exp(self.nets["alpha"]) if own.alpha_rule == "lagrange" else torch.tensor(own.alpha)
        action, density = self.sample(self.s, self.noise[0])
        wanted = own.target_entropy * self.a.shape[1]
        found = {
            ("critic",): self.critic_loss(self.bellman(value)) + alpha.detach() * sum(gaps),
            ("actor",): (temperature.detach() * density - self.both("critic", self.s, action)).mean(),
            ("temperature",): -(self.nets["temperature"] * (density.detach() + wanted)).mean(),
        }
        if own.alpha_rule == "lagrange":
            found["alpha",] = -alpha * sum(gap.detach() - own.allowed_gap for gap in gaps)
        return found


CASES = [
    (Bc, "bc", PLAIN, {}),
    (Iql, "iql", PLAIN, {}),
    (Iql, "iql", ROBUST, {"expectile": 0.9, "beta": 10.0}),
    (Awac, "awac", PLAIN, {}),
    (Awac, "awac", ROBUST, {"temperature": 0.1}),
    (Td3Bc, "td3_bc", PLAIN, {}),
    (Td3Bc, "td3_bc", PLAIN, {"policy_every": 1}),
    (Td3Bc, "td3_bc", ROBUST, {"policy_every": 1, "noise_clip": 0.1}),
    (Cql, "cql", PLAIN, {}),
    (Cql, "cql", ROBUST, {"action_samples": 3, "gap_rows": 5, "entropy_backup": True}),
    (Cql, "cql", PLAIN, {"variant": "rho", "alpha": 0.5}),
    (Cql, "cql", PLAIN, {"alpha_rule": "lagrange", "allowed_gap": 1.0}),
]


def test_no_continuous_algorithm_is_left_out():
    assert {name for _, name, _, _ in CASES} == {one.name for one in CONTINUOUS}


@pytest.mark.parametrize(("reference", "name", "config", "own"), CASES)
def test_losses_and_gradients_are_those_of_the_paper(reference, name, config, own, planar_data):
    algorithm = learner(name, config, planar_data, **own)
    batch = random_batch(planar_data.spec)
    loss, _ = algorithm.losses(batch)
    for seed in range(SEEDS):
        truth = reference(algorithm, seed, batch, algorithm.noise.drawn)
        wanted = truth.losses()
        assert loss[seed].item() == pytest.approx(sum(wanted.values()).item(), rel=1e-5)
        for group, its_loss in wanted.items():
            for learning in group:
                gradients = torch.autograd.grad(its_loss, truth.leaves[learning], retain_graph=True)
                found = gradient(algorithm, loss, learning, seed)
                assert distance(found, gradients) < 1e-5, learning


def gradient(algorithm, loss, learning, seed):
    """One seed's gradient, in the order of the reference's leaves."""
    parts = algorithm.parts(learning)
    gradients = torch.autograd.grad(loss.sum(), parts, retain_graph=True)
    if learning in algorithm.scalars:
        return [gradients[0][seed]]
    copies = algorithm.networks[learning].copies
    return [part[row] for row in range(seed * copies, (seed + 1) * copies) for part in gradients]


def distance(found, wanted):
    """Norm of the difference over the norm of what is wanted."""
    found, wanted = (torch.cat([part.double().flatten() for part in parts]) for parts in (found, wanted))
    return ((found - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("name", [one.name for one in CONTINUOUS])
def test_a_step_goes_down_every_gradient_and_followers_follow(name, planar_data):
    """Adam's first step is `rate * gradient / |gradient|`; TD3+BC's first moves the critics alone, its second all."""
    algorithm = learner(name, PLAIN, planar_data)
    batch = random_batch(planar_data.spec)
    for step in (1, 2):
        before = {key: value.clone() for key, value in algorithm.state().items()}
        algorithm.update(batch)
        after = algorithm.state()
        delayed = name == "td3_bc" and step == 1
        for key, adam in algorithm._adams.items():
            kind = "network" if key in algorithm.networks else "scalar"
            moved = (after[f"{kind}.{key}"] - before[f"{kind}.{key}"]).abs().max().item()
            if delayed and key != "critic":
                assert moved == 0.0
            elif step == 1:
                assert moved == pytest.approx(3e-4, rel=1e-3)
            assert adam.steps == (step - 1 if name == "td3_bc" and key != "critic" else step)
        for slow, fast, rate in (
            ("target", "critic", 0.25),
            ("actor_target", "actor", 0.25),
            ("average", "actor", 0.5),
        ):
            if slow in algorithm.networks:
                share = 0.0 if delayed else rate
                wanted = (1 - share) * before[f"network.{slow}"] + share * after[f"network.{fast}"]
                torch.testing.assert_close(after[f"network.{slow}"], wanted, atol=1e-6, rtol=1e-5)
