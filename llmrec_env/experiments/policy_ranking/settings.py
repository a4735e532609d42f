"""``PolicyRankingSettings``: what a panel holds, how long it learns and who judges."""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.common.budget import ScaledLengths
from llmrec_env.common.checks import LARGEST, check_counts
from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import listed, own_names
from llmrec_env.data.source import WORLD_SIZE
from llmrec_env.evaluation.policy_ranking import FEWEST
from llmrec_env.experiments.policy_ranking.judges import JUDGES, lacks, needed
from llmrec_env.experiments.policy_ranking.members import MEMBERS
from llmrec_env.experiments.simulator_settings import SimulatorSettings

USUAL_JUDGES = ("le", "factors", "later", "without-le", "kinds")
"""Those that need nothing but the log and the LE."""
LOGGED_EPISODES = 1000
"""Episodes of the log that some judges read, where the settings do not say."""


@dataclass(frozen=True)
class PolicyRankingSettings(SimulatorSettings, ScaledLengths):
    """What is ranked; every training length scales with ``budget``.

    Raises:
        SettingError: a policy is unknown or named twice, they are too few to be ranked, a number is
            too small, or the simulator is missing.
    """

    KIND = "bench policies"
    GROWING = ("policies", "judges", "logged")
    HIDDEN = ("epochs", "ppo_steps", "ppo_envs", "d3rlpy_steps", "world_size")

    data: str | None = None
    """Folder or file of a public dataset; None is the embedded generated world."""
    simulator: str | None = None
    """Folder of a saved LE that learned from the training users of this split; None is the
    embedded one."""
    policies: tuple[str, ...] = tuple(MEMBERS)
    """Names in :data:`MEMBERS`."""
    judges: tuple[str, ...] = USUAL_JUDGES
    """Names in :data:`JUDGES`, whose orders of the policies are compared with the true one."""
    cross_fit: bool = False
    """Whether policies, and an LE of theirs, learn from one half of the training users, and judges
    from the other."""
    episodes: int = 200
    """Test users, one episode each, in which a policy is judged, at most."""
    logged: int = 0
    """Episodes of a policy that explores among true users, from which off-policy estimates of
    every policy are made; 0: none."""
    seed: int = 0
    """Seed of the split, of everything that learns, and of the users' luck."""
    budget: float = 1.0
    """Scales all training lengths; 0.01 only shows that everything runs."""
    epochs: int = 12
    """Passes over the log of each recommender at most."""
    ppo_steps: int = 60_000
    """Environment steps of PPO, of whose way the panel keeps four stages."""
    ppo_envs: int = 64
    """Users that PPO asks at once."""
    d3rlpy_steps: int = 1000
    """Gradient steps of each d3rlpy algorithm."""
    world_size: tuple[int, int] = WORLD_SIZE
    """Items and users of the generated world."""

    def __post_init__(self) -> None:
        SimulatorSettings.__post_init__(self)
        ScaledLengths.__post_init__(self)
        check_counts(episodes=self.episodes)
        check_counts(LARGEST, 0, logged=self.logged)
        for field, known in (("policies", MEMBERS), ("judges", JUDGES)):
            labels = {name: one.label for name, one in known.items()}
            object.__setattr__(self, field, own_names(getattr(self, field), labels))
        self._check_policies()
        lacking = [name for name in needed(self.judges) if lacks(name, True, self.cross_fit)]
        if lacking:
            raise SettingError(
                f"{', '.join(lacking)} learns from users from whom no policy learned: add "
                "--cross-fit, in a folder of its own"
            )

    @property
    def log_size(self) -> int:
        """Episodes of the log of a recommender that explores, for the judges that read one."""
        return self.logged or LOGGED_EPISODES

    def _check_policies(self) -> None:
        known = ", ".join(MEMBERS)
        if unknown := [name for name in self.policies if name not in MEMBERS]:
            raise SettingError(f"no policy {listed(unknown)}: expected some of {known}")
        if len(set(self.policies)) < max(FEWEST, len(self.policies)):
            raise SettingError(
                f"policies must be {FEWEST} or more, each named once, of {known}; got "
                f"{','.join(self.policies) or 'none'}"
            )
