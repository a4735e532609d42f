"""Every setting of a recommender, in one typed place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from llmrec_env.common.errors import SettingError

Backbone = Literal["sasrec", "gru4rec", "caser", "nextitnet"]
Objective = Literal["supervised", "snqn"]
Target = Literal["twin", "periodic"]
ItemInit = Literal["random", "text"]
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
    """Framework on the logged actions: "supervised", or "snqn" (supervised + double Q-learning)."""
    state: bool = False
    """LE state: join the simulator's state to the input of the Q head (SNQN only)."""
    reward: bool = False
    """LE reward: the simulator's liking replaces the constant one (1, or by event; SNQN only)."""
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
    """Sampled items a step, never met by the user, that are learned with reward 0."""
    q_weight: float = 0.1
    """Weight of all Q-learning terms; published as 1, and a small one ranks closer to plain."""
    target: Target = "twin"
    """Q target: "twin" (two full copies, a fair coin picks the learner) or "periodic" (a copy)."""
    target_period: int = 100
    """Steps between two copies of the learner into a "periodic" target."""

    augment_weight: float = 0.5
    """Weight (lambda) of the terms on the proposed actions."""
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
    """Passes over the log, at most; each of SNQN's two copies gets as many."""
    patience: int = 3
    """Passes without a better validation NDCG@10 before stopping; 0 never stops early."""
    batch_size: int = 512
    """Logged steps in a batch, about; whole windows are drawn."""
    validation_users: int = 1000
    """Validation users ranked after a pass, at most (a seeded choice)."""
    seed: int = 0
    """Seed of initial weights, batches, negatives, coins and dropout."""
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
        if self.objective == "supervised" and (self.state or self.reward):
            raise SettingError(
                "state and reward act on the Q head, which objective='supervised' has not; "
                "use objective='snqn', or switch them off"
            )

    @property
    def variant(self) -> str:
        """The name of the LEA switches: "LES", "LER", "LESR", "LEA", "LEASR", …; "" without any."""
        return VARIANTS[self.state, self.reward, self.augment]

    @property
    def needs_simulator(self) -> bool:
        """Whether learning asks a simulated user."""
        return self.state or self.reward or (self.augment and self.teacher == "language")

    @property
    def copies(self) -> int:
        """Copies of the network that learn: two under SNQN's fair coin, else one."""
        return 2 if self.objective == "snqn" and self.target == "twin" else 1


CHOICES: dict[str, tuple[str, ...]] = {
    "backbone": get_args(Backbone),
    "objective": get_args(Objective),
    "target": get_args(Target),
    "item_init": get_args(ItemInit),
    "teacher": get_args(Teacher),
}
ENCODER_SIZES = (
    *("dim", "layers", "heads", "window", "horizontal_filters", "vertical_filters", "kernel_size"),
    *("dropout", "max_length"),
)
"""The settings that shape a sequence encoder."""
POSITIVE = (
    *(name for name in ENCODER_SIZES if name != "dropout"),
    *("negatives", "target_period", "augment_k", "temperature"),
    *("learning_rate", "epochs", "batch_size", "validation_users"),
)
