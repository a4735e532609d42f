"""The settings of a study: what is compared, on which log, and how hard it is tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from agents.backbones import BACKBONES as KNOWN_BACKBONES
from llmrec_env.common.budget import ScaledLengths
from llmrec_env.common.errors import SettingError
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.source import WORLD_SIZE
from llmrec_env.experiments.settings import RunSettings
from llmrec_env.experiments.study.methods import METHODS, PLAIN, Method, find_methods

BACKBONES = ("sasrec", "gru4rec")
USUAL_METHODS = ("plain", "SNQN", "co-occurrence targets", "soft targets", "LEASR")
Tune = Literal["each", "host"]


@dataclass(frozen=True)
class StudySettings(ReadOptions, RunSettings, ScaledLengths):
    """Which recommenders are compared on which log, and how hard each is tuned.

    Raises:
        SettingError: a name is unknown, or a number out of range.
    """

    KIND = "bench"
    # Which runs there are, where the log is and where is computed: the last changes the numbers of
    # runs to come, since a training seed draws other numbers on another device.
    GROWING = ("data", "backbones", "methods", "seeds", "splits", "device")
    NAMED = ("backbones", "methods", "seeds", "splits")

    data: str | None = None
    """Folder or file of a dataset; None takes the generated world."""
    backbones: tuple[str, ...] = BACKBONES
    """Sequence encoders."""
    methods: tuple[str, ...] = USUAL_METHODS
    """Names of methods; see :data:`llmrec_env.experiments.study.methods.METHODS`."""
    seeds: int = 5
    """Training seeds 0, 1, … of every method on every split."""
    splits: int = 3
    """Splits by user with seeds 0, 1, …; hyper-parameters are searched on the first."""
    trials: int = 10
    """Settings tried for every method and backbone, the defaults first; 0 takes the defaults."""
    tune: Tune = "each"
    """What is tuned: "each" method, or the "host", the plain backbone, whose settings all methods
    then take as they are: if that favours any, then plain."""
    epochs: int = 20
    """Passes over the log at most, the same for every method."""
    patience: int = 3
    """Passes without a better validation before a training stops; 0 never stops one early."""
    base_model: str | None = None
    """Causal LM of the LE, by hub name or folder; None pretrains a small one on the item texts."""
    item_encoder: str | None = None
    """Sentence encoder that reads the items for the LE, by name or folder; None: its LM does."""
    allow_untexted: bool = False
    """Whether LEs are learned from items without text, which then get random tokens."""
    le_epochs: int = 6
    """Passes over the log of the LE at most."""
    mask_seen: bool | None = None
    """Whether validation, and the metrics by which methods are compared, leave out what a user has
    seen; None: where repeats are rarer than 1% of the log's interactions."""
    device: str = "cpu"
    """Torch device of LEs and recommenders; all workers share it."""
    budget: float = 1.0
    """Scales all training lengths; 0.01 only shows that everything runs."""
    world_size: tuple[int, int] = WORLD_SIZE
    """Items and users of the generated world."""

    def __post_init__(self) -> None:
        ReadOptions.__post_init__(self)
        ScaledLengths.__post_init__(self)
        object.__setattr__(self, "methods", find_methods(self.methods))
        object.__setattr__(self, "backbones", tuple(dict.fromkeys(self.backbones)))
        for name in self.backbones:
            if name not in KNOWN_BACKBONES:
                raise SettingError(
                    f"no backbone is named {name!r}; --backbones takes any of "
                    f"{', '.join(KNOWN_BACKBONES)}, joined by commas"
                )
        if self.tune not in get_args(Tune):
            raise SettingError(f"tune must be 'each' or 'host', got {self.tune!r}")
        for name in ("backbones", "methods"):
            if not getattr(self, name):
                raise SettingError(f"{name} is empty; name one at least")
        least_of = {"trials": 0, "patience": 0}
        least_of |= dict.fromkeys(("seeds", "splits", "epochs", "le_epochs"), 1)
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise SettingError(f"{name} must be {least} or more, got {getattr(self, name)}")

    @property
    def compared(self) -> list[Method]:
        """The methods, in the order asked for."""
        return [METHODS[name] for name in self.methods]

    def tuned(self, method: Method) -> Method:
        """The method whose trials choose the settings of ``method``."""
        return method if self.tune == "each" else METHODS[PLAIN]

    @property
    def searches(self) -> list[Method]:
        """The methods that have trials, each once."""
        return list({tuned.name: tuned for tuned in map(self.tuned, self.compared)}.values())

    @property
    def simulators(self) -> list[str]:
        """The simulated users that the methods name, each once."""
        return list(dict.fromkeys(r.simulator for r in self.compared if r.simulator is not None))

    @property
    def passes(self) -> dict[str, int]:
        """How long a recommender learns: fields of ``RecommenderConfig``."""
        return {"epochs": self.steps(self.epochs), "patience": self.patience}
