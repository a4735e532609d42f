"""Command-line options shared by several commands, each with its help text."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_type_hints

import typer

if TYPE_CHECKING:
    from llmrec_env.data.source import Source, SplitBy
MOST = 2**31 - 1
"""The largest number that an option takes: beyond it, libraries count with too few bits."""
RUNS = 10_000
"""The most seeds, splits or trials of a study, each of which is a row of a list."""


def number(
    help: str,
    least: float | None = None,
    most: float = MOST,
    above: float | None = None,
    show_default: bool | str = True,
) -> Any:
    """A numeric option, whose range is checked before any work begins.

    Args:
        help: what the option is.
        least: the smallest value.
        most: the largest value.
        above: what every value is larger than.
        show_default: what help says of the default, where it is not the value itself.
    """

    def check(value: float | None) -> float | None:
        if value is None:
            return None
        if isinstance(value, float) and not math.isfinite(value):
            raise typer.BadParameter(f"{value} is not a finite number.")
        if above is not None and value <= above:
            raise typer.BadParameter(f"{value} is not above {above}.")
        if value > most:
            raise typer.BadParameter(f"it is more than {most}.")
        return value

    return typer.Option(min=least, callback=check, help=help, show_default=show_default)


Data = Annotated[
    str | None,
    typer.Option(
        help="Folder or file of a public dataset, or of tables of your own; world:NAME, one of the "
        "generated worlds. If not given, the generated world."
    ),
]
Untexted = Annotated[
    bool,
    typer.Option(
        help="Learn an LE also from items without text, which get random tokens; it needs a base "
        "model."
    ),
]
MaskSeen = Annotated[
    bool | None,
    typer.Option(
        help="Leave out what a user has seen where validation ranks and tables compare.",
        show_default="on if fewer than 1% of the interactions take an item again",
    ),
]
RememberSkips = Annotated[
    bool | None,
    typer.Option(
        help="Let simulated users remember what they skip in a session (an LE that learned it).",
        show_default="as they are",
    ),
]
Seed = Annotated[int, number("Seed of the split and of everything that learns.", least=0)]
Simulator = Annotated[
    str | None,
    typer.Option(
        help="Folder of a saved LE (see `llmrec fit`). If not given, the one of the generated "
        "world, which comes with the package."
    ),
]
BaseModel = Annotated[
    str | None,
    typer.Option(
        help="Causal language model that becomes the LE: a hub name, a folder or a .gguf file. If "
        "not given, a small one is pretrained on the items' texts."
    ),
]
ItemEncoder = Annotated[
    str | None,
    typer.Option(
        help="Sentence encoder that reads the items' texts for the LE, by hub name or folder. If "
        "not given, the base model reads them itself."
    ),
]
Device = Annotated[
    str | None, typer.Option(help="Device of the language model, such as cuda. If not given, cpu.")
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="Number format of the language model: float32 or bfloat16. If not given, bfloat16 on "
        "a GPU and float32 elsewhere."
    ),
]
Workers = Annotated[
    int | None,
    number("Processes at work at once, with one thread each. If not given, one a core.", least=1),
]
Budget = Annotated[
    float, number("Factor on every training length; 0.05 is a quick try.", above=0, most=1000)
]
RunFolder = Annotated[
    Path, typer.Option(help="Folder of the run. The same command goes on where it was stopped.")
]
Epochs = Annotated[int, number("Passes over the log at most.", least=1)]


@dataclass(frozen=True)
class LogOptions:
    """Which log a command opens, and how its files are read; each field is an option."""

    data: Data = None
    min_rating: Annotated[
        float | None,
        number(
            "Ratings from which an interaction counts as taken; the others are left out. If not "
            "given, every rated item counts."
        ),
    ] = None
    events: Annotated[
        str | None,
        typer.Option(
            help="Kinds of events that count as taken, with commas; the others are left out."
        ),
    ] = None
    event: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=REWARD",
            help="What a kind of event is: a reward, or click, purchase or drop; once for each.",
        ),
    ] = None
    order: Annotated[
        str | None,
        typer.Option(
            help="For a log without times: file, where its rows stand in the order in which things "
            "happened, or shuffled, to go on without an order."
        ),
    ] = None
    format: Annotated[
        str | None, typer.Option(help="Format of the files. If not given, what they look like.")
    ] = None
    encoding: Annotated[
        str | None, typer.Option(help="Text encoding of plain tables, such as iso-8859-1.")
    ] = None
    user_field: Annotated[
        str | None, typer.Option(help="Column that names the user, where it has no usual name.")
    ] = None
    item_field: Annotated[
        str | None, typer.Option(help="Column that names the item, where it has no usual name.")
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="Column that plays a role: time, rating, label, liked, event, weight, propensity "
            "or session (label=none: none does); once for each.",
        ),
    ] = None

    @property
    def reading(self) -> dict[str, Any]:
        """How the files are read: fields of ``ReadOptions``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values.pop("data")
        values["events"] = listed(self.events or "")
        return {**values, "event": tuple(self.event or ()), "column": tuple(self.column or ())}


@dataclass(frozen=True)
class SplitLogOptions(LogOptions):
    """Which log a command opens, and which of its parts is held out."""

    split: Annotated[
        str,
        typer.Option(
            help="What is held out: user, a tenth of the users each for validation and test; last, "
            "everybody's last item for test and the one before it for validation."
        ),
    ] = "user"

    @property
    def reading(self) -> dict[str, Any]:
        """How the files are read: fields of ``ReadOptions``."""
        return {name: value for name, value in super().reading.items() if name != "split"}

    @property
    def held_out(self) -> dict[str, str]:
        """The split where it is not the usual one, to tell a command's results apart."""
        return {} if self.split == "user" else {"split": self.split}

    def open(self, seed: int, ranked: bool = False) -> Source:
        """The log with its split; see :func:`llmrec_env.data.source.open_source`."""
        from llmrec_env.data.read_options import ReadOptions
        from llmrec_env.data.source import WORLD_SIZE, open_source

        read = ReadOptions(**self.reading)
        return open_source(self.data, seed, WORLD_SIZE, read, ranked, cast("SplitBy", self.split))


Layers = Annotated[
    int | None,
    number("Layers of the base model that read, from the first one on. If not given, all.", 1),
]
LoraModules = Annotated[
    str | None,
    typer.Option(
        help="Linear maps that LoRA adapts, with commas, such as q_proj,v_proj. If not given, "
        "all of them."
    ),
]


@dataclass(frozen=True)
class LMOptions:
    """How much of a language model reads and learns; each field is an option."""

    layers: Layers = None
    lora_rank: Annotated[int, number("Rank of the LoRA adapter.", least=1)] = 8
    lora_modules: LoraModules = None

    items: Annotated[
        str,
        typer.Option(
            help="What the language model reads of an item: text, a token learned from its text; "
            "pooled, the mean of its words; shared, nothing but what its users share; random; "
            "or auto, text for small models and pooled for large ones."
        ),
    ] = "auto"
    text_layer: Annotated[
        int | None,
        number(
            "Layer of the base model whose outputs over an item's text are its features. If not "
            "given, the last one.",
            least=1,
        ),
    ] = None

    batch_tokens: Annotated[
        int | None,
        number("Tokens of a learning step at most. If not given, as many as 32 users have.", 2),
    ] = None
    gradient_checkpointing: Annotated[
        bool, typer.Option(help="Save memory in learning, for a third more time.")
    ] = False

    @property
    def learning(self) -> dict[str, Any]:
        """Fields of ``LearningConfig``."""
        checkpointing = self.gradient_checkpointing
        return {"batch_tokens": self.batch_tokens, "gradient_checkpointing": checkpointing}

    @property
    def reading(self) -> dict[str, Any]:
        """Fields of ``FitConfig``."""
        return {"items": self.items, "text_layer": self.text_layer}

    @property
    def shape(self) -> dict[str, Any]:
        """Fields of ``LanguageEnvironmentConfig``."""
        modules = listed(self.lora_modules or "")
        return {"layers": self.layers, "lora_rank": self.lora_rank, "lora_modules": modules}


def listed(text: str) -> tuple[str, ...]:
    """The names in a text that joins them by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses, each field of which becomes an option.

    Options that several commands share stand so in one place, with their defaults. A parameter
    ``shop: ShopOptions`` becomes ``--catalogue``, ``--instructions`` and so on; the command is
    called with a ``ShopOptions`` made of them. Typer reads options from a signature, so this gives
    the command the signature in which the fields stand in the place of their group.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}

    @wraps(command)
    def with_groups(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        command(**values)

    options: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            options += _options_of(groups[name])
        else:
            annotation, kind = hints[name], inspect.Parameter.KEYWORD_ONLY
            options.append(parameter.replace(annotation=annotation, kind=kind))
    vars(with_groups).update(
        __signature__=inspect.Signature(options),
        __annotations__={option.name: option.annotation for option in options},
    )
    return with_groups


def _options_of(group: Any) -> list[inspect.Parameter]:
    """Parameters that are the fields of a dataclass."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
