"""``ImprovementSettings``: which recommender is improved, among whom, and who judges."""

from __future__ import annotations

from dataclasses import dataclass

from agents.backbones import BACKBONES
from agents.improving import ImproveConfig
from llmrec_env.common.budget import ScaledLengths
from llmrec_env.common.checks import check_counts, check_number
from llmrec_env.common.errors import SettingError
from llmrec_env.data.source import WORLD_SIZE
from llmrec_env.experiments.simulator_settings import SimulatorSettings

MIXTURE, ALONE, TRUTH, NEXT, PLAIN = "mixture", "alone", "truth", "next", "plain"
ARMS = {
    MIXTURE: "no RL: its log-probabilities and those of the LE's action model, added",
    ALONE: "improved in the LE without members",
    PLAIN: "improved in the members' mean",
    NEXT: "improved in the members' mean less their sd, for the next liking alone",
    "pessimism": "improved in the members' mean less their sd",
    TRUTH: "improved among the true training users: what better users would give",
}
"""What becomes of the recommender, by name."""


@dataclass(frozen=True)
class ImprovementSettings(SimulatorSettings, ScaledLengths):
    """What is improved; every training length scales with ``budget``.

    Raises:
        SettingError: an arm is unknown or named twice, a number is out of range, or the simulator
            is missing.
    """

    KIND = "bench improve"
    GROWING = ("arms", "seeds")
    HIDDEN = ("epochs", "world_size")

    data: str | None = None
    """Folder or file of a public dataset; None is the embedded generated world."""
    simulator: str | None = None
    """Folder of a saved LE that learned from the training users of this split; None is the
    embedded one. Where it has no members it is given some."""
    backbone: str = "gru4rec"
    """Encoder of the recommender, which learns from the log alone."""
    arms: tuple[str, ...] = (MIXTURE, PLAIN, NEXT, "pessimism")
    """Names in :data:`ARMS`; by default those that suit every log and LE."""
    rl_steps: int = 1
    """Steps of improvement."""
    weight: float = ImproveConfig.weight
    """How far they may go from the recommender."""
    episodes: int = 200
    """Test users that judge, at most."""
    lucks: int = 2
    """Episodes that each of them lives, every time with another luck."""
    seeds: int = 1
    """Recommenders, each improved by every arm."""
    members: int = 5
    """Members that an LE without any is given."""
    pessimism: float = 1.0
    """Standard deviations that a liking loses in the arms "pessimism" and "next"."""
    seed: int = 0
    """Seed of the split, of the members, of the first recommender and of the users' luck."""
    budget: float = 1.0
    """Scales all training lengths; 0.01 only shows that everything runs."""
    epochs: int = 12
    """Passes over the log of the recommender at most."""
    world_size: tuple[int, int] = WORLD_SIZE
    """Items and users of the generated world."""

    def __post_init__(self) -> None:
        SimulatorSettings.__post_init__(self)
        ScaledLengths.__post_init__(self)
        check_counts(
            episodes=self.episodes, lucks=self.lucks, seeds=self.seeds, rl_steps=self.rl_steps
        )
        check_counts(1000, 2, members=self.members)
        for name in ("weight", "pessimism"):
            check_number(name, getattr(self, name), 0.0)
        BACKBONES.make(self.backbone)  # refused here by name
        unknown = [name for name in self.arms if name not in ARMS]
        if unknown or not self.arms or len(set(self.arms)) < len(self.arms):
            raise SettingError(
                f"arms must be some of {', '.join(ARMS)}, each named once; got "
                f"{','.join(self.arms) or 'none'}"
            )

    def config(self, arm: str, number: int) -> ImproveConfig:
        """How an arm improves the recommender of a number."""
        usual = ImproveConfig()
        return ImproveConfig(
            steps=self.rl_steps,
            episodes=self.steps(usual.episodes, least=4),
            gradient_steps=self.steps(usual.gradient_steps),
            weight=self.weight,
            pessimism=0.0 if arm in (ALONE, PLAIN, TRUTH) else self.pessimism,
            discount=0.0 if arm == NEXT else usual.discount,
            seed=self.seed + number,
        )
