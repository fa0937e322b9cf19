"""What all algorithms share: their networks, how these learn, how they are kept and delivered."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.adam import Adam
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.networks import Network
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.replay import Batch

Metrics = Mapping[str, Tensor]
"""Name -> (seeds,), in units of reward unless the name says otherwise."""


@dataclass(frozen=True)
class Problem:
    """What there is to learn from, for all seeds."""

    spec: TaskSpec
    data: Dataset
    inputs: Inputs
    low: float
    """Least discounted return that rewards like the data's can add up to; see `equations.return_bounds`."""
    high: float
    """Greatest one."""
    mean_reward: float
    noise: Noise

    @property
    def seeds(self) -> int:
        """How many runs learn side by side."""
        return len(self.noise.generators)


class Algorithm(ABC):
    """One offline-RL algorithm over `problem.seeds` independent seeds.

    A subclass builds its networks with `network` and `scalar`, learns with `descend`, and says in `policy` which of
    them is delivered. Everything that it must remember from one step to the next lies in these.
    """

    name: ClassVar[str]
    discrete: ClassVar[bool]
    kind: ClassVar[str]
    """Key of `core.policies.POLICIES`: the runtime that the policy needs."""
    proposes: ClassVar[bool] = False
    """Whether `policy` can give what `core.best_of` needs where `config.extract` says so."""
    Config: ClassVar[type]
    """Frozen dataclass of `core.config.param` fields that only this algorithm has."""

    def __init__(self, problem: Problem, config: TrainerConfig, own: Any) -> None:
        self.problem, self.config, self.own = problem, config, own
        self.noise = problem.noise
        self.rate = 1.0
        """Share of the configured step sizes at this step; set by the loop."""
        self.networks: dict[str, Network] = {}
        self.scalars: dict[str, Tensor] = {}
        self._adams: dict[str, Adam] = {}

    @abstractmethod
    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """The loss of every seed, (seeds,), and what to tell of it; draws its noise, changes nothing else.

        Its gradient with respect to every learning network is the one that the paper says; what a term must not move
        is detached there.
        """

    @abstractmethod
    def update(self, batch: Batch) -> Metrics:
        """Take one gradient step down `losses` on every seed. `batch` arrays lead with (seeds, batch, ...)."""

    @abstractmethod
    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """Arrays that `core.policy` needs for the policy of one seed."""

    def value(self, observation: Tensor) -> Tensor | None:
        """What the critics say that the policy is worth, (seeds, batch), of inputs (seeds, batch, ...).

        None where no critic can be asked, or where the delivered policy carries its values itself.
        """
        return None

    def network(
        self, name: str, outputs: int, extra_inputs: int = 0, copies: int = 1, layer_norm: bool = False
    ) -> Network:
        """A learning network from observation (and `extra_inputs` numbers) to `outputs`."""
        hidden = [self.config.width] * 2 if self.config.width else []
        sizes = [self.problem.inputs.size + extra_inputs, *hidden, outputs]
        network = Network(sizes, self.noise.generators, copies, layer_norm).learnable()
        self.networks[name] = network
        self._adams[name] = Adam(network.values)
        return network

    def follower(self, name: str, of: Network) -> Network:
        """A target or an average: a copy without gradients that `Network.follow` moves."""
        self.networks[name] = of.copy()
        return self.networks[name]

    def scalar(self, name: str, value: float, *shape: int) -> Tensor:
        """A learning number a seed, (seeds,), or several, (seeds, *shape)."""
        number = torch.full((self.problem.seeds, *shape), value, requires_grad=True)
        number.grad = torch.zeros_like(number)
        self.scalars[name] = number
        self._adams[name] = Adam(number)
        return number

    def descend(self, loss: Tensor, **rates: float) -> None:
        """One Adam step down the gradient of `loss` (seeds,) for the networks and scalars named in `rates`.

        The loss of a seed must depend on no other seed's weights; then the sum has every seed's own gradient.
        """
        learning = [part for name in rates for part in self.parts(name)]
        gradients = torch.autograd.grad(loss.sum(), learning)
        with torch.no_grad():
            for part, gradient in zip(learning, gradients, strict=True):
                assert part.grad is not None
                part.grad.copy_(gradient)
        self.step(**rates)

    def step(self, **rates: float) -> None:
        """One Adam step with the gradients that are there."""
        for name, rate in rates.items():
            self._adams[name].step(rate * self.rate)

    def parts(self, name: str) -> list[Tensor]:
        """What autograd sees of a network, weights and biases layer by layer, or of a scalar."""
        if name in self.scalars:
            return [self.scalars[name]]
        return [part for layer in self.networks[name].layers for part in layer]

    def taken(self, name: str) -> int:
        """Steps that a network has taken; a resumed training counts on."""
        return self._adams[name].steps

    @torch.no_grad()
    def bellman_target(self, batch: Batch, next_value: Tensor) -> Tensor:
        """`equations.bootstrap`, within the possible returns where `clamp_targets` says so; (seeds, batch, ...)."""
        reward, terminal = batch.reward, batch.terminal
        if next_value.dim() > reward.dim():
            reward, terminal = reward[..., None], terminal[..., None]
        target = eq.bootstrap(reward, terminal, next_value, self.config.discount)
        return target.clamp(self.problem.low, self.problem.high) if self.config.clamp_targets else target

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name, sharing memory; for checkpoints and for looking back."""
        state = {f"network.{name}": network.values for name, network in self.networks.items()}
        state |= {f"scalar.{name}": value.detach() for name, value in self.scalars.items()}
        for name, adam in self._adams.items():
            state |= {f"adam.{name}.{key}": value for key, value in adam.state().items()}
        state["noise"] = self.noise.state()
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`; needs the same problem and configuration."""
        with torch.no_grad():
            for name, network in self.networks.items():
                network.values.copy_(state[f"network.{name}"])
            for name, value in self.scalars.items():
                value.copy_(state[f"scalar.{name}"])
        for name, adam in self._adams.items():
            adam.restore({key: state[f"adam.{name}.{key}"] for key in adam.state()})
        self.noise.restore(state["noise"])
