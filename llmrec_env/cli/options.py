"""Options that the commands of ``llmrec bench`` share, and those that hold several names."""

from __future__ import annotations

from typing import Annotated

import typer

Data = Annotated[
    str | None,
    typer.Option(help="Folder or file of a dataset; the generated world where not given."),
]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the log at most.")]
Patience = Annotated[
    int,
    typer.Option(
        min=0, help="Passes without a better validation before a training stops; 0: never."
    ),
]
BaseModel = Annotated[str | None, typer.Option(help="Causal LM of the LE, by hub name or folder.")]
ItemEncoder = Annotated[
    str | None,
    typer.Option(help="Sentence encoder that reads the items for the LE, by name or folder."),
]
LEEpochs = Annotated[
    int, typer.Option(min=1, help="Passes over the log of the LE, and of its controls, at most.")
]
Effort = Annotated[float, typer.Option(help="Scales every training length.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes, one thread each; one a core if not given.")
]


def listed(text: str) -> tuple[str, ...]:
    """The names in a text that joins them by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
