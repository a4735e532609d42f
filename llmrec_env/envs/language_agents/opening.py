"""``open_shop``: the shop of a language model's door, and how long its episodes are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.arguments import check_names
from llmrec_env.envs.shop.shop import KEYWORDS, Shop

LIMIT = 15
"""Actions in an episode where nobody says."""
OF_ENVIRONMENT = "max_episode_steps"
OF_DOORS = ("seed", "prompt_tokens", "pieces")
"""Arguments of a door beside its limit, for the hint of a misspelt one."""


def open_shop(
    name: str, limit: int | None, settings: Mapping[str, Any], prompt_tokens: int = 0
) -> tuple[Shop, int]:
    """The shop of these settings, and the actions in an episode.

    Settings may be those of :meth:`ShopProtocol.settings` as they are, which call the limit
    ``max_episode_steps``.

    Args:
        name: what the caller calls the limit.
        limit: as it was given; where None, that of the settings, of their protocol, or
            :data:`LIMIT`.
        settings: of the shop: its catalogue and :data:`~llmrec_env.envs.shop.shop.KEYWORDS`.
        prompt_tokens: of a page at most.

    Raises:
        SettingError: the limit has two values, or is another than the protocol's; or a setting has
            no such value.
        UnknownArgumentError: one of them is no setting.
    """
    check_names(settings, [name, *OF_DOORS, "catalogue", *KEYWORDS, OF_ENVIRONMENT])
    own = dict(settings)
    other = own.pop(OF_ENVIRONMENT, None)
    if limit is None:
        limit = other
    elif other not in (None, limit):
        raise SettingError(
            f"{name}={limit} and {OF_ENVIRONMENT}={other} are one limit by two names: give one"
        )
    if limit is not None:
        check_whole(name, limit, 1)
    shop = Shop.of(own)
    shop.check_limits(name, limit, prompt_tokens)
    if limit is None:
        limit = LIMIT if shop.protocol is None else shop.protocol.max_episode_steps
    return shop, limit
