"""``llmrec add-items``: gives an LE new items, by their texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.common import processes


@options.option_groups
@clear_errors()
def add_items(
    items: Annotated[
        Path, typer.Option(help="Table of the new items (csv, tsv or parquet): item_id and texts.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to save the LE in; one that holds something is refused.")
    ],
    simulator: options.Simulator = None,
    item_encoder: Annotated[
        str | None,
        typer.Option(
            help="Where the sentence encoder is now that read the LE's items, if it moved."
        ),
    ] = None,
    item_field: Annotated[
        str | None, typer.Option(help="Column that names the item, where it has no usual name.")
    ] = None,
    encoding: Annotated[
        str, typer.Option(help="Text encoding of the table, such as iso-8859-1.")
    ] = "utf-8",
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> None:
    """Save an LE that also answers about new items, known by their texts; nothing is learned.

    What its items were read with must be here: the base model that it names, or the sentence
    encoder.
    """
    from llmrec_env.common.files import fingerprint
    from llmrec_env.common.result_folder import ResultFolder
    from llmrec_env.data.loading import load_items
    from llmrec_env.users.language import LanguageUser
    from llmrec_env.users.origin import EMBEDDED

    processes.check_alone()
    settings = {
        "simulator": simulator,
        "items": str(items),
        "item_field": item_field,
        "encoding": encoding,
        "dtype": dtype,
    }
    place = ResultFolder.at(out, "add-items", "LE", settings)
    user = LanguageUser.from_pretrained(
        simulator or EMBEDDED, device=device or "cpu", dtype=dtype or "auto"
    )
    new = load_items(items, encoding=encoding, item_column=item_field)
    contents = {
        "simulator": user.model.fingerprint or "",
        "items": fingerprint([*new.ids, *new.sentences]),
    }
    with place.claim(contents, {"device": device, "item_encoder": item_encoder}):
        if place.is_finished():
            print_line(f"Saved before to {out}: nothing is left to do")
            return
        grown = user.add_items(new, item_encoder)
        place.finish(grown.model.save_pretrained)
        print_line(f"{len(new):,} items added to {user.n_items:,}; saved to {out}")
