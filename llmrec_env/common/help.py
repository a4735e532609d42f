"""``HelpFormatter``: the help of examples and benchmarks, with the defaults that there are."""

from __future__ import annotations

import argparse


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Tells no default of an option that must be given, or is nothing until it is."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)
