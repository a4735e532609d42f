"""Writes a card beside its simulator: card.json, a page with plots, and the model card."""

from __future__ import annotations

import os
from collections.abc import Sequence

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import atomic_path, local_path, read_json
from llmrec_env.common.saved_folder import (
    CARD,
    CARD_REPORT,
    MODEL_CARD,
    check_card_place,
    may_replace_model_card,
)
from llmrec_env.evaluation.fidelity import FidelityCard
from llmrec_env.experiments.card.model_card import model_card
from llmrec_env.reporting import Report
from llmrec_env.reporting.markdown import report_markdown
from llmrec_env.users.base import UserSimulator


def check_card_folder(folder: str | os.PathLike[str], simulator: UserSimulator) -> None:
    """Refuse a folder with the card of another simulator; its own may be made again.

    Raises:
        SettingError: there is another's.
    """
    path = local_path(folder) / CARD
    own = getattr(getattr(simulator, "model", None), "fingerprint", None)
    if path.is_file() and read_json(path)["about"].get("fingerprint") != own:
        raise SettingError(
            f"{path} is not the card of this simulated user, and would be lost; name another "
            "folder with --out"
        )


def save_card(
    card: FidelityCard,
    report: Report,
    folder: str | os.PathLike[str],
    data: str,
    language: Sequence[str] = (),
) -> list[str]:
    """Write ``card.json``, ``card/report.html`` with its figures, and ``README.md``.

    A README.md that somebody else wrote stays; the model card is then ``card/README.md``.

    Args:
        card: of the simulator.
        report: that tells it.
        folder: of the simulator.
        data: what to call the log.
        language: codes of the languages of the items' texts.

    Returns:
        The files to look at, relative to the folder.

    Raises:
        SettingError: somebody else's ``card.json`` or ``card`` stands there.
    """
    place = local_path(folder)
    check_card_place(place, place)
    page = report.save(place / CARD_REPORT)
    inside = "" if may_replace_model_card(place) else f"{CARD_REPORT}/"
    body = report_markdown(report, place / CARD_REPORT)
    if not inside:
        body = body.replace("](figures/", f"]({CARD_REPORT}/figures/")
    text = model_card(card, place.absolute().name, data, body, language)
    with atomic_path(place / f"{inside}{MODEL_CARD}") as temporary:
        temporary.write_text(text, encoding="utf-8")
    card.save(place)  # last: where it stands, the rest is there
    pages = [] if page is None else [f"{CARD_REPORT}/{page.name}"]
    return ["card.json", f"{inside}{MODEL_CARD}", *pages]
