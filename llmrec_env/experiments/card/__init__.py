"""``llmrec card``: the fidelity card of a simulator, beside baselines, as files beside it."""

from llmrec_env.experiments.card.making import make_card
from llmrec_env.experiments.card.other import OtherLog
from llmrec_env.experiments.card.panel import panel_order
from llmrec_env.experiments.card.saving import save_card

__all__ = ["OtherLog", "make_card", "panel_order", "save_card"]
