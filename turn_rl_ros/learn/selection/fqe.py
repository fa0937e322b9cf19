"""Fitted Q evaluation (Le et al. 2019) of many policies at once, with intervals from resampled episodes.

The intervals are bootstrapped by episodes (Hao et al. 2021): they hold the noise of the data and of the fit, not what
the networks cannot express or the data never shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.policy import Policy
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.adam import Adam
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import REPORTS, Progress, Stopped, step_share
from turn_rl_ros.learn.networks import Network, forward
from turn_rl_ros.learn.selection.cases import Cases, make_cases
from turn_rl_ros.learn.selection.tabular import tabular_values

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A discounted return from the starting states, in units of reward, and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimates:
    """Values of P policies, paired: the n-th resample is the same for all of them."""

    values: Array
    """(P, 1 + resamples); the first is that of the data as it is."""
    confidence: float

    def of(self, policy: int) -> Estimate:
        """A policy's value with its normal bootstrap interval."""
        return self._interval(self.values[policy])

    def gain(self, policy: int, over: int) -> Estimate:
        """How much better one policy is than another: noise that both share cancels."""
        return self._interval(self.values[policy] - self.values[over])

    def _interval(self, values: Array) -> Estimate:
        reach = NormalDist().inv_cdf((1 + self.confidence) / 2) * values[1:].std(ddof=1) if len(values) > 2 else 0.0
        return Estimate(float(values[0]), float(values[0] - reach), float(values[0] + reach))


def estimate_values(
    data: Dataset,
    policies: Sequence[Policy],
    config: TrainerConfig,
    *,
    discount: float,
    steps: int,
    resamples: int,
    confidence: float = 0.9,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Estimates:
    """Estimate what each policy returns from the start of an episode, from data that others recorded.

    Args:
        data: everything recorded so far.
        policies: as they run on the robot.
        config: inputs, network size and step size as in training.
        discount: of the return.
        steps: gradient steps; a one-hot state needs none.
        resamples: of the episodes, with replacement; 0: no interval.
        confidence: probability that the intervals aim at.
        progress: told (step, steps, {}) now and then.
        stop: asked before every step.

    Raises:
        Stopped: `stop` said so.
    """
    cases = make_cases(data, policies, config, discount)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(cases.episodes, np.full(cases.episodes, 1 / cases.episodes), size=resamples)
    weights = np.concatenate([np.ones((1, cases.episodes)), drawn])
    if config.one_hot:
        return Estimates(tabular_values(cases, weights, discount), confidence)
    fit = Fit(cases, weights, replace(config, steps=steps), discount)
    for step in range(1, steps + 1):
        if stop is not None and stop():
            raise Stopped(f"stopped at step {step - 1} of {steps} of the off-policy estimate")
        fit.update(step_share(fit.config, step))
        if progress is not None and step % max(1, steps // REPORTS) == 0:
            progress(step, steps, {})
    return Estimates(fit.values(), confidence)


class Fit:
    """One network for each policy and resample, all in one stack; those of one resample start alike, see one batch."""

    def __init__(self, cases: Cases, weights: Array, config: TrainerConfig, discount: float) -> None:
        self.config, self._cases, self._discount = config, cases, discount
        self._generator = torch.Generator().manual_seed(0)
        seeds = [torch.Generator().manual_seed(number) for number in range(len(weights))]
        hidden = [config.width] * 2 if config.width else []
        sizes = [cases.inputs.size + cases.actions, *hidden, 1]
        self._q = Network(sizes, seeds, cases.policies, config.layer_norm)
        with torch.no_grad():
            self._q.values.unflatten(0, (len(weights), -1))[:] = self._q.values[:: cases.policies, None]
            self._q.layers[-1][1].fill_(float(cases.reward.mean()) / (1.0 - discount))
        self._target = self._q.copy()
        self._q.learnable()
        self._adam = Adam(self._q.values)
        rows = [np.repeat(np.arange(len(cases.episode)), one[cases.episode].astype(int)) for one in weights]
        self._rows = [torch.from_numpy(one) for one in rows]

    def update(self, rate: float) -> None:
        """One step of the regression on targets that follow it slowly."""
        cases, size = self._cases, self.config.batch_size
        rows = torch.stack([one[torch.randint(len(one), (size,), generator=self._generator)] for one in self._rows])
        following = torch.cat(
            [
                cases.next_state[rows][:, None].expand(-1, cases.policies, -1, -1),
                self._encoded(cases.next_action[:, rows]).transpose(0, 1),
            ],
            -1,
        )
        with torch.no_grad():
            after = self._target(following.flatten(0, 1))[..., 0].unflatten(0, (len(rows), -1))
            target = eq.bootstrap(cases.reward[rows][:, None], cases.terminal[rows][:, None], after, self._discount)
            target = target.clamp(cases.low, cases.high)
        x = torch.cat([cases.state[rows], self._encoded(cases.action[rows])], -1)
        found = self._q(x)[..., 0].unflatten(0, (len(rows), -1))
        parts = [part for layer in self._q.layers for part in layer]
        gradients = torch.autograd.grad(eq.squared_error(found, target).sum(), parts)
        with torch.no_grad():
            for part, gradient in zip(parts, gradients, strict=True):
                assert part.grad is not None
                part.grad.copy_(gradient)
        self._adam.step(self.config.learning_rate * rate)
        self._target.follow(self._q, self.config.target_rate)

    @torch.no_grad()
    def values(self) -> Array:
        """Mean value at the starts, (P, resamples)."""
        cases, members = self._cases, len(self._rows)
        start = cases.start.expand(members, cases.policies, -1, -1)
        action = self._encoded(cases.start_action).expand(members, -1, -1, -1)
        x = torch.cat([start, action], -1).flatten(0, 1)
        found = forward(self._target.layers, x, self.config.layer_norm)[..., 0].mean(-1)
        return found.unflatten(0, (members, -1)).T.double().numpy()

    def _encoded(self, action: Tensor) -> Tensor:
        """What of an action enters the network: itself, or one of finitely many as a one-hot vector."""
        if action.dtype == torch.int64:
            return torch.nn.functional.one_hot(action, self._cases.actions).float()
        return action
