"""What goes over the wire: an answer of the agent, and what it reads then."""

from __future__ import annotations

from llmrec_env.common.extras import require

require("openenv", "openenv")
from openenv.core.env_server.types import Action, Observation, State  # noqa: E402
from pydantic import Field  # noqa: E402


class TextAction(Action):
    """The agent's whole answer; the action is read out of it."""

    text: str = Field(
        description="The answer. Its action stands in <action>…</action>, in \\boxed{…}, in a tool "
        "call as JSON, or bare: search[words], click[value]; recommending: search[words], "
        "look[item], recommend[item]."
    )


class TextObservation(Observation):
    """A page, and what became of the last answer; ``reward`` and ``done`` stand beside it."""

    text: str = Field(description="The page, below a line about an answer that did nothing")
    manual: str = Field("", description="What is to be done and how to answer; after a reset alone")
    action: str | None = Field(None, description="What was read out of the answer")
    action_is_valid: bool = Field(True, description="Whether it could be done")
    action_is_effective: bool = Field(True, description="Whether it changed anything")
    truncated: bool = Field(False, description="Whether the episode is done for want of steps")


class ShopObservation(TextObservation):
    """A page of the shop."""

    instruction: str = Field(description="What is to be bought")
    valid_actions: list[str] = Field(description="Every click; where can_search, some searches")
    can_search: bool = Field(description="Whether search[any words] is valid")
    success: bool = Field(False, description="Whether the purchase earned 1")
    parts: dict[str, float] = Field(
        default_factory=dict, description="Terms of the reward; none before the purchase"
    )


class RecommendObservation(TextObservation):
    """The conversation about a user."""

    user_id: str = Field(description="Who is recommended to")
    hits: list[str] = Field(default_factory=list, description="Ids that the last search found")
    shown: str = Field("", description="Id of the item that was shown, where one was")
    taken: bool = Field(False, description="Whether the user took it")


class ShopState(State):
    """Where a shopper's episode stands."""

    goal: int | None = Field(None, description="Index of the goal; none before the first reset")
    success: bool = False


class RecommendState(State):
    """Where a conversation stands."""

    user_id: str | None = Field(None, description="None before the first reset")
    shown: int = Field(0, description="Items shown so far")
    taken: int = Field(0, description="Items taken so far")
