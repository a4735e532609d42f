"""``ShopClient`` and ``RecommendClient``: sessions on a server, in types."""

from __future__ import annotations

from typing import Any, ClassVar

from llmrec_env.common.extras import require
from llmrec_env.envs.language_agents.openenv.models import (
    RecommendObservation,
    RecommendState,
    ShopObservation,
    ShopState,
    TextAction,
    TextObservation,
)

require("openenv", "openenv")
from openenv.core.client_types import StepResult  # noqa: E402
from openenv.core.env_client import EnvClient  # noqa: E402


class _TextClient(EnvClient):
    _observation: ClassVar[type[TextObservation]]
    _kept: ClassVar[type[Any]]

    def _step_payload(self, action: TextAction | str) -> dict[str, Any]:
        return {"text": action if isinstance(action, str) else action.text}

    def _parse_result(self, payload: dict[str, Any]) -> StepResult:
        reward, done = payload.get("reward"), bool(payload.get("done"))
        observation = self._observation(**payload["observation"], reward=reward, done=done)
        return StepResult(observation=observation, reward=reward, done=done)

    def _parse_state(self, payload: dict[str, Any]) -> Any:
        return self._kept(**payload)


class ShopClient(_TextClient):
    """A shopper on a server: ``reset(seed=, goal=)`` and ``step(TextAction(text=…))``, or
    ``step("search[red lamp]")``, each to await; ``.sync()`` gives the same without.

    Args:
        base_url: such as ``"http://127.0.0.1:8000"``; more as OpenEnv's ``EnvClient`` takes it.
    """

    _observation, _kept = ShopObservation, ShopState


class RecommendClient(_TextClient):
    """A user to recommend to on a server: ``reset(seed=, user_id=)``; else as
    :class:`ShopClient`."""

    _observation, _kept = RecommendObservation, RecommendState
