"""Stable-baselines3 policies whose last layer is shared by all items of a catalogue.

SB3's own policies end in one free row of weights an item: what is learned of one item says nothing
of the next, and with hundreds of items most rows hardly ever learn. Here the last layer is shared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike
from torch import Tensor, nn

from agents.recommender import Recommender
from agents.sb3.features import SequenceFeatures, check_recommender
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.checks import check_number
from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.users.language import LanguageUser

require("stable_baselines3", "sb3")
require("sb3_contrib", "sb3")
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy  # noqa: E402
from stable_baselines3.common.policies import ActorCriticPolicy  # noqa: E402
from stable_baselines3.common.type_aliases import Schedule  # noqa: E402

COLDEST = 1e-3
"""Least temperature by which a recommender's scores may be divided."""


class ItemLogits(nn.Module):
    """Logits of all items, ``v_i · (W f + b)``: W and b are learned, the vectors v are not.

    At first W and b are zero, so every item is as likely as the next; or, where it is to begin as a
    fitted recommender, W f + b is (s / T, 1 / T, 0, ...): s is the recommender's state, the first
    part of f, the 1 meets its bias, and what else f and v have is not heeded yet.

    Args:
        features: width of f.
        vectors: float32 (n_items, d).
        fitted_width: width of s, at most that of f and less than d; 0: nothing is fitted.
        temperature: T, above 0.
    """

    vectors: Tensor

    def __init__(
        self, features: int, vectors: FloatArray, fitted_width: int = 0, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.query = nn.Linear(features, vectors.shape[1])
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.query.bias)
        if fitted_width:
            with torch.no_grad():
                own = self.query.weight[:fitted_width, :fitted_width]
                own.fill_diagonal_(1.0 / temperature)
                self.query.bias[fitted_width] = 1.0 / temperature
        self.register_buffer("vectors", torch.tensor(vectors), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, n_items) from features (N, features)."""
        return self.query(features) @ self.vectors.T


class _ItemHead(nn.Module):
    """Puts :class:`ItemLogits` in the place of an actor-critic policy's last layer."""

    action_net: Any
    mlp_extractor: Any
    optimizer: Any
    optimizer_class: Any
    optimizer_kwargs: Any

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        item_vectors: ArrayLike,
        net_arch: dict[str, list[int]] | None = None,
        fitted_width: int = 0,
        temperature: float = 1.0,
        **settings: Any,
    ) -> None:
        if "features_extractor_class" not in settings:
            _check_observations(observation_space)
        self.item_vectors = _checked(item_vectors, action_space)
        self.fitted_width = fitted_width
        self.temperature = temperature
        net_arch = net_arch or {"pi": [], "vf": [64, 64]}
        if fitted_width and net_arch.get("pi"):
            raise SettingError(
                "a policy that begins as a fitted recommender hands its encoder's state on as it "
                'is: leave the layers of the actor out, net_arch={"pi": [], "vf": [64, 64]}'
            )
        super().__init__(observation_space, action_space, lr_schedule, net_arch, **settings)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)  # type: ignore[misc]
        self.action_net = ItemLogits(
            self.mlp_extractor.latent_dim_pi, self.item_vectors, self.fitted_width, self.temperature
        )
        self.optimizer = self.optimizer_class(
            self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs
        )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        parameters = super()._get_constructor_parameters()  # type: ignore[misc]
        return {
            **parameters,
            "item_vectors": self.item_vectors,
            "fitted_width": self.fitted_width,
            "temperature": self.temperature,
        }


class ItemPolicy(_ItemHead, ActorCriticPolicy):
    """An actor-critic policy (PPO, A2C) that scores items by what they are::

        logits_i = v_i · (W f + b)

    f are the features that the policy's network makes of the observation: the observation itself
    unless ``net_arch`` says otherwise, so the actor is linear and the critic has two layers of 64.
    What is learned from one item holds for all that resemble it. The vectors never learn; the
    policy knows of an item only what its vector tells, so two items with one vector are one to it.
    Their length acts as a learning rate: twice as long, twice as far a step.

    With :func:`language_vectors` the policy sees the vectors of the LE that also answers: knowledge
    from the log that a flat policy lacks, and to be said beside a comparison with one.

    ``model.save`` is SB3's own (a zip with a pickle); it keeps the vectors with the model. Load
    only files that you trust. ::

        PPO(ItemPolicy, env, policy_kwargs={"item_vectors": language_vectors(simulator)})

    Args:
        observation_space: of ``observation="state"``; any, where a ``features_extractor_class``
            that can read it is given, such as ``SequenceFeatures``.
        action_space: Discrete(n_items).
        lr_schedule: as SB3 gives it.
        item_vectors: float32 (n_items, d).
        net_arch: layers of actor and critic, ``{"pi": [], "vf": [64, 64]}`` where None.
        fitted_width: width of the state of the fitted recommender that it begins as; set, as
            ``temperature`` is, by :func:`begin_with`.
        temperature: by which that recommender's scores are divided.
        settings: further arguments of SB3's policy.

    Raises:
        SettingError: the vectors do not fit the actions, the observation holds item indices and
            no features extractor is named to read them, or it is to begin as a recommender and has
            layers for the actor.
    """


class MaskableItemPolicy(_ItemHead, MaskableActorCriticPolicy):
    """:class:`ItemPolicy` for sb3-contrib's ``MaskablePPO``: seen items are never drawn."""


def begin_with(
    recommender: Recommender,
    freeze: bool = False,
    temperature: float = 1.0,
    item_vectors: ArrayLike | None = None,
) -> dict[str, Any]:
    """The ``policy_kwargs`` with which PPO goes on from a fitted recommender.

    On ``observation="history"`` or ``"both"`` the policy begins as the softmax of the recommender's
    scores, whose best item is what :meth:`Recommender.recommend` names first (seen items aside;
    after an empty history, as its bias ranks). Its item table stays as it is. ::

        MaskablePPO(MaskableItemPolicy, env, policy_kwargs=begin_with(recommender))

    Args:
        recommender: fitted on the catalogue of the environment; not one that serves with a
            simulator's states.
        freeze: whether its encoder stays too, so that only the map between the two learns, beside
            the critic.
        temperature: by which the scores are divided. PPO learns from what it draws, and a draw from
            hundreds of items is far worse than the best of them: below 1 it stays near that one.
        item_vectors: float32 (n_items, d), what else the policy is to know of items, such as
            :func:`language_vectors`; at first they count for nothing.

    Raises:
        SettingError: it is no recommender, or serves with a simulator's states, which the policy
            does not see; the temperature is below :data:`COLDEST`, or the vectors have not one row
            an item.
    """
    check_recommender(recommender)
    check_number("temperature", temperature, COLDEST)
    network = recommender.network
    if network.fusion is not None:
        raise SettingError(
            "this recommender ranks with a simulator's states (state_to='fused'), which the policy "
            "does not see; begin with one that serves alone"
        )
    with torch.no_grad():
        table = torch.cat([network.item_outputs, network.bias[:, None]], dim=1).cpu().numpy()
    if item_vectors is not None:
        table = np.concatenate([table, _rows_of_items(item_vectors, len(table))], axis=1)
    return {
        "item_vectors": table,
        "fitted_width": network.item_outputs.shape[1],
        "temperature": temperature,
        "features_extractor_class": SequenceFeatures,
        "features_extractor_kwargs": {"recommender": recommender, "freeze": freeze},
    }


def language_vectors(simulator: LanguageUser) -> FloatArray:
    """The unit vectors that an LE's states point to, one an item, float32 (n_items, state_size)."""
    return simulator.item_vectors


def _checked(item_vectors: ArrayLike, action_space: spaces.Space[Any]) -> FloatArray:
    if not isinstance(action_space, spaces.Discrete):
        raise SettingError(f"a recommender chooses among items, not {action_space}")
    return _rows_of_items(item_vectors, int(action_space.n))


def _rows_of_items(item_vectors: ArrayLike, n_items: int) -> FloatArray:
    vectors = np.asarray(item_vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != n_items or not np.isfinite(vectors).all():
        raise SettingError(
            f"item_vectors must be finite and of shape ({n_items}, d), one row an item; "
            f"got {vectors.shape}"
        )
    return vectors


def _check_observations(space: spaces.Space[Any]) -> None:
    if not isinstance(space, spaces.Box) or space.dtype != np.float32:
        raise SettingError(
            "this policy reads the user's state, and the observation holds item indices: make the "
            'environment with observation="state", or name a features_extractor_class such as '
            "SequenceFeatures"
        )
