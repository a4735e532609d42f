"""Every setting of a recommender, in one typed place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from agents.objectives.frameworks import FRAMEWORKS, Framework
from llmrec_env.common.errors import SettingError
from llmrec_env.common.softmax import Precision

Backbone = Literal["sasrec", "gru4rec", "caser", "nextitnet"]
Objective = str
Target = Literal["twin", "periodic"]
ItemInit = Literal["random", "text"]
DiversityVectors = Literal["output", "input", "given"]
ProxyCounts = Literal["history", "future"]
StateTo = Literal["q_head", "fused", "distilled"]
Schedule = Literal["constant", "rise", "fall"]
Teacher = Literal["language", "random", "popular", "cooccurrence"]

VARIANTS = {
    (False, False, False): "",
    (True, False, False): "LES",
    (False, True, False): "LER",
    (False, False, True): "LEA",
    (True, True, False): "LESR",
    (True, False, True): "LEAS",
    (False, True, True): "LEAR",
    (True, True, True): "LEASR",
}


@dataclass(frozen=True)
class RecommenderConfig:
    """What a recommender is and how it learns.

    Raises:
        SettingError: two settings contradict each other, or one is out of range.
    """

    backbone: Backbone = "sasrec"
    """Sequence encoder: "sasrec" (causal transformer), "gru4rec" (gated recurrent units), "caser"
    (filters over the last items) or "nextitnet" (dilated causal convolutions)."""
    objective: Objective = "supervised"
    """Framework on the logged actions (:mod:`agents.objectives`): "supervised"; "sqn", "sac",
    "snqn", "sa2c" or "smorl" (double Q-learning); "proxy" (their control); one of your own."""
    state: bool = False
    """LE state: learn with the simulator's state, where ``state_to`` says."""
    reward: bool = False
    """LE reward: the simulator's liking replaces the constant one, where there is a Q head."""
    augment: bool = False
    """LE augmentation: learn from proposed positive actions besides the logged ones."""

    dim: int = 64
    """Width of item embeddings and encoder states."""
    layers: int | None = None
    """Blocks of SASRec (None: 2) or NextItNet (None: enough to see ``max_length`` items), or
    stacked layers of GRU4Rec (None: 1)."""
    heads: int = 2
    """Attention heads of SASRec."""
    window: int = 5
    """Last items that Caser sees."""
    horizontal_filters: int = 16
    """Horizontal filters of Caser of each height from 1 to ``window``."""
    vertical_filters: int = 4
    """Vertical filters of Caser."""
    kernel_size: int = 3
    """Items that a convolution of NextItNet joins."""
    dropout: float = 0.5
    """Share of activations dropped in training."""
    max_length: int = 50
    """Items of a history that the encoder reads, at most."""
    item_init: ItemInit = "random"
    """What item embeddings begin as: "random", or the vectors that ``fit`` is given ("text")."""
    tied: bool = False
    """Whether the output table of the supervised head is the item embedding."""

    label_smoothing: float = 0.0
    """Probability mass of the supervised target that is spread over all items."""
    gamma: float = 0.5
    """Discount of the Q-learning target."""
    negatives: int = 10
    """Sampled items a step, never saw by the user, that are learned with reward 0."""
    q_weight: float = 0.1
    """Weight of all Q-learning terms; published as 1, and a small one ranks closer to plain."""
    target: Target = "twin"
    """Q target: "twin" (two full copies, a fair coin picks the learner) or "periodic" (a copy)."""
    target_period: int = 100
    """Steps between two copies of the learner into a "periodic" target."""
    click_reward: float = 0.2
    """Reward of a view or click, in a log that tells events (one that does not: always 1)."""
    purchase_reward: float = 1.0
    """Reward of an addition to the cart, a purchase or a transaction."""

    warm_up: float = 2.0
    """Passes (a fraction: steps) in which "sac" learns as SQN and "sa2c" as SNQN; published as
    15,000 steps of 256. Below ``patience``, or learning may stop before the switch."""
    propensity: float = 0.0
    """Power in [0, 1] of the inverse-propensity factor of "sa2c"; 0 does without."""
    accuracy_weight: float = 1.0
    """Weight of the accuracy head of "smorl"; alpha, the weight of all heads, is ``q_weight``."""
    diversity_weight: float = 1.0
    """Weight of the diversity head of "smorl"."""
    novelty_weight: float = 1.0
    """Weight of the novelty head of "smorl"."""
    diversity_vectors: DiversityVectors = "output"
    """Vectors that diversity compares: the "output" table or the "input" embedding of the network,
    or those that ``fit`` is given ("given")."""
    popular_share: float = 0.1
    """Share of the catalogue, the most popular items, that the novelty of "smorl" does not pay."""
    proxy_weight: float = 1.0
    """Weight of the auxiliary loss of "proxy"."""
    proxy_counts: ProxyCounts = "history"
    """What "proxy" predicts: the number of items before ("history") or after ("future")."""

    state_to: StateTo = "q_head"
    """Where the LE state goes: beside the encoder's into the Q head ("q_head"), added to it through
    a map that begins at zero ("fused"; serving then asks the simulator), or into an auxiliary
    target that the encoder's state learns to predict ("distilled"). All but "fused" serve alone."""
    state_weight: float = 1.0
    """Weight of the auxiliary target of a "distilled" state."""

    augment_weight: float = 0.5
    """Weight (lambda) of the terms on the proposed actions."""
    augment_schedule: Schedule = "constant"
    """How lambda moves over the first ``augment_passes``: not at all, up from 0, or down to 0."""
    augment_passes: float = 5.0
    """Passes over the log in which a moving lambda arrives."""
    augment_share: float = 1.0
    """Share of the steps with proposed actions that learn from them, a seeded choice; what a lower
    share takes is among what a higher one does, and 0 is as if ``augment`` were off."""
    augment_k: int = 20
    """Proposed actions a step that are soft targets; 1 makes the best one a hard target."""
    temperature: float = 1.0
    """Temperature of the softmax that turns preferences over the K proposals into soft targets."""
    teacher: Teacher = "language"
    """Who proposes: the simulator ("language") or a control without language."""

    learning_rate: float = 3e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.4
    """Decoupled weight decay of AdamW."""
    epochs: int = 20
    """Passes over the log, at most; each of two copies that learn gets as many."""
    patience: int = 3
    """Passes without a better validation NDCG@10 before stopping; 0 never stops early."""
    batch_size: int = 512
    """Logged steps in a batch, about; whole windows are drawn."""
    validation_users: int = 1000
    """Validation users ranked after a pass, at most (a seeded choice)."""
    seed: int = 0
    """Seed of initial weights, batches, negatives, coins and dropout."""
    precision: Precision = "auto"
    """Number format of products over the whole catalogue in learning: "float32", "bfloat16" (twice
    as fast where the machine has instructions for it), or "auto", which picks by that. Serving is
    in float32."""
    device: str = "cpu"
    """Torch device that learns and serves."""

    def __post_init__(self) -> None:
        for name, kinds in CHOICES.items():
            if getattr(self, name) not in kinds:
                raise SettingError(
                    f"{name} must be one of {', '.join(kinds)}, got {getattr(self, name)!r}"
                )
        for name in POSITIVE:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise SettingError(f"{name} must be positive, got {value}")
        if not 0 <= self.dropout < 1 or not 0 <= self.gamma < 1:
            raise SettingError(
                f"dropout and gamma must lie in [0, 1), got {self.dropout} and {self.gamma}"
            )
        if self.backbone == "sasrec" and self.dim % self.heads:
            raise SettingError(f"dim={self.dim} cannot be split over heads={self.heads}")
        if self.backbone == "caser" and self.window > self.max_length:
            raise SettingError(
                f"Caser sees the last window={self.window} items, and no history is read further "
                f"back than max_length={self.max_length}; lower the one or raise the other"
            )
        if self.backbone == "nextitnet" and self.kernel_size < 2:
            raise SettingError(f"kernel_size must be at least 2, got {self.kernel_size}")
        self._check_objective()

    def _check_objective(self) -> None:
        if self.objective not in FRAMEWORKS:
            raise SettingError(
                f"objective must be one of {', '.join(FRAMEWORKS)}, got {self.objective!r}; one of "
                "your own must be registered first (agents.objectives.register)"
            )
        on_q_head = self.reward or (self.state and self.state_to == "q_head")
        if not self.framework.q_heads and on_q_head:
            raise SettingError(
                f"state and reward act on the Q head, which objective={self.objective!r} has not; "
                "use objective='snqn' or another with Q-learning, or switch them off (a state may "
                "also go elsewhere: state_to)"
            )
        if self.teacher != "language" and not self.augment:
            raise SettingError(
                f"teacher={self.teacher!r} proposes actions, from which only augment=True learns"
            )
        for name in NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise SettingError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("propensity", "popular_share", "augment_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} must lie in [0, 1], got {getattr(self, name)}")

    @property
    def variant(self) -> str:
        """The name of the LEA switches: "LES", "LER", "LESR", "LEA", "LEASR", …; "" without any."""
        return VARIANTS[self.state, self.reward, self.augment]

    @property
    def framework(self) -> Framework:
        """What ``objective`` declares: terms, heads, draws."""
        return FRAMEWORKS[self.objective]

    @property
    def q_weights(self) -> tuple[float, ...]:
        """The weight of each Q head in the sum that picks the best action; empty without one."""
        framework = self.framework
        return framework.q_weights(self) if framework.q_weights else (1.0,) * framework.q_heads

    @property
    def reads_vectors(self) -> bool:
        """Whether ``fit`` has to be given vectors of the items."""
        return self.item_init == "text" or self.diversity_vectors == "given"

    @property
    def state_reader(self) -> str:
        """What reads the LE state: a value of ``state_to``, or "" where there is none."""
        return self.state_to if self.state else ""

    @property
    def needs_simulator(self) -> bool:
        """Whether learning asks a simulated user."""
        return self.state or self.reward or (self.augmented and self.teacher == "language")

    @property
    def augmented(self) -> bool:
        """Whether any step learns from proposed actions."""
        return self.augment and self.augment_share > 0

    @property
    def copies(self) -> int:
        """Copies of the network that learn: two under the fair coin of Q-learning, else one."""
        return 2 if self.framework.q_heads and self.target == "twin" else 1


CHOICES: dict[str, tuple[str, ...]] = {
    "backbone": get_args(Backbone),
    "precision": get_args(Precision),
    "target": get_args(Target),
    "diversity_vectors": get_args(DiversityVectors),
    "proxy_counts": get_args(ProxyCounts),
    "item_init": get_args(ItemInit),
    "teacher": get_args(Teacher),
    "state_to": get_args(StateTo),
    "augment_schedule": get_args(Schedule),
}
ENCODER_SIZES = (
    *("dim", "layers", "heads", "window", "horizontal_filters", "vertical_filters", "kernel_size"),
    *("dropout", "max_length"),
)
"""The settings that shape a sequence encoder."""
POSITIVE = (
    *(name for name in ENCODER_SIZES if name != "dropout"),
    *("negatives", "target_period", "augment_k", "temperature", "augment_passes"),
    *("learning_rate", "epochs", "batch_size", "validation_users"),
)
NOT_NEGATIVE = (
    *("warm_up", "accuracy_weight", "diversity_weight", "novelty_weight"),
    *("state_weight", "augment_weight"),
)
