"""Double Q-learning of logged actions, which SQN, SAC, SNQN, SA2C and SMORL share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from agents.objectives.base import Batch, LossTerm, Outputs, half_squared_error
from agents.objectives.supervised import SupervisedConfig
from agents.settings import check_choice, check_positive, check_share
from llmrec_env.data.events import CLICK_REWARD, PURCHASE_REWARD

Target = Literal["twin", "periodic"]


@dataclass(frozen=True)
class LoggedQ(LossTerm):
    """``L_q(a+, r) = 1/2 (r + gamma Q'(s', argmax_b Q(s', b)) - Q(s, a+))^2``.

    The last action of a user bootstraps nothing.
    """

    gamma: float = 0.5
    weight: float = 1.0
    name = "q_logged"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        target = batch.rewards + self.gamma * (1 - batch.terminal) * outputs.next_value
        return self.weight * half_squared_error(outputs.logged_q[:, 0], target).mean()


@dataclass(frozen=True, kw_only=True)
class QLearningConfig(SupervisedConfig):
    """The settings of every framework with Q heads: ``L_s + q_weight * L_q(a+, r)``.

    Raises:
        SettingError: a value is out of range.
    """

    gamma: float = 0.5
    """Discount of the Q-learning target, in [0, 1)."""
    q_weight: float = 0.1
    """Weight of all Q-learning terms; published as 1, and a small one ranks closer to plain."""
    target: Target = "twin"
    """Q target: "twin" (two full copies, a fair coin picks the learner) or "periodic" (a copy)."""
    target_period: int = 100
    """Steps between two copies of the learner into a "periodic" target."""
    click_reward: float = CLICK_REWARD
    """Reward of a view or click, in a log that tells events (one that does not: always 1)."""
    purchase_reward: float = PURCHASE_REWARD
    """Reward of an addition to the cart, a purchase or a transaction."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self, "gamma", below_one=True)
        check_choice(self, "target", Target)
        check_positive(self, "target_period")

    def terms(self) -> list[LossTerm]:
        """The actor's term and ``L_q`` of the logged action."""
        return [self.actor(), LoggedQ(self.gamma, self.q_weight)]

    @property
    def q_weights(self) -> tuple[float, ...]:
        """One Q head."""
        return (1.0,)

    @property
    def event_rewards(self) -> tuple[float, float]:
        """The rewards of a click and of a purchase."""
        return self.click_reward, self.purchase_reward

    @property
    def copies(self) -> int:
        """Two under the fair coin, else one."""
        return 2 if self.target == "twin" else 1

    def copies_target(self, step: int) -> bool:
        """Every ``target_period`` steps, where the target is "periodic"."""
        return self.target == "periodic" and step % self.target_period == 0
