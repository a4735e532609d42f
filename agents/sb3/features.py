"""``SequenceFeatures``: a backbone as stable-baselines3's features extractor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from agents.backbones import BACKBONES, DEFAULT_BACKBONE, BackboneConfig
from agents.recommender import Recommender
from agents.settings import settings_of
from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.indices import as_item_indices
from llmrec_env.data.windows import Window

require("stable_baselines3", "sb3")
from stable_baselines3.common.policies import BasePolicy  # noqa: E402
from stable_baselines3.common.preprocessing import get_flattened_obs_dim  # noqa: E402
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor  # noqa: E402


class SequenceFeatures(BaseFeaturesExtractor):
    """A sequence encoder's state of the observed history, for PPO, MaskablePPO, A2C and DQN.

    It reads ``observation="history"``, or the history of ``observation="both"``, whose other
    entries then follow the encoder's state. An empty history has the state 0. ::

        PPO("MlpPolicy", env, policy_kwargs={
            "features_extractor_class": SequenceFeatures,
            "features_extractor_kwargs": {"backbone": "gru4rec", "dim": 32},
        })

    With ``observation="both"`` the policy's name is "MultiInputPolicy". :class:`ItemPolicy` takes
    the same ``policy_kwargs`` beside its ``item_vectors``.

    The encoder begins with its own initial weights, or with those of a fitted recommender, also
    where SB3 would begin the linear layers of a features extractor anew (``ortho_init``). There is
    no dropout unless it is asked for: PPO compares probabilities before and after an update, and
    dropout would change them by chance.

    ``model.save`` is SB3's own (a zip with a pickle); it keeps the recommender with the model. Load
    only files that you trust.

    Args:
        observation_space: as SB3 gives it.
        backbone: "sasrec", "gru4rec", "caser", "nextitnet" or one of your own; None: the
            recommender's, or "sasrec".
        n_items: size of the catalogue; None: what the observation space says.
        recommender: a fitted recommender of the same catalogue, whose encoder is copied.
        freeze: whether the copied weights stay as they are.
        sizes: fields of the backbone's config, where no recommender says them: ``dim``,
            ``layers``, ``heads`` and so on, ``dropout`` (0 here) and ``max_length`` (here the
            length of the observed history).

    Raises:
        SettingError: the observation holds no history, ``recommender`` is none or knows another
            catalogue, or the settings contradict it or each other; later, item indices were scaled.
    """

    starts: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        backbone: str | None = None,
        n_items: int | None = None,
        recommender: Recommender | None = None,
        freeze: bool = False,
        **sizes: Any,
    ) -> None:
        history = _history_space(observation_space)
        length = history.shape[0]
        known = _catalogue_size(history, n_items, recommender)
        config = _encoder_config(recommender, backbone, freeze, {"max_length": length}, sizes)
        others = [space for name, space in _parts(observation_space) if name != "history"]
        width = config.dim + sum(get_flattened_obs_dim(space) for space in others)
        super().__init__(observation_space, width)
        self.n_items = known
        self.encoder = config.create(known)
        if recommender is not None:
            self.encoder.load_state_dict(recommender.network.encoder.state_dict())
        self.frozen = freeze
        self.encoder.requires_grad_(not freeze)
        starts = Window.halving(config.max_length).start(np.arange(length + 1))
        self.register_buffer("starts", torch.from_numpy(starts), persistent=False)

    def forward(self, observations: Tensor | dict[str, Tensor]) -> Tensor:
        """Features float32 (N, features_dim) of item indices (N, history_length), or of a dict."""
        if isinstance(observations, Tensor):
            return self._read(as_item_indices(observations, self.n_items, "VecNormalize"))
        history = as_item_indices(observations["history"], self.n_items, "VecNormalize")
        read = self._read(history)
        names = [name for name, _ in _parts(self._observation_space) if name != "history"]
        return torch.cat([read, *(observations[name].flatten(1) for name in names)], dim=1)

    def train(self, mode: bool = True) -> SequenceFeatures:
        """Switch dropout on or off; a frozen encoder has none."""
        super().train(mode)
        self.encoder.train(mode and not self.frozen)
        return self

    def apply(self, fn: Callable[[nn.Module], None]) -> SequenceFeatures:
        """Call ``fn`` on every module within, except SB3's initialiser, which would wipe out what
        the encoder begins with."""
        if getattr(fn, "func", fn) is not BasePolicy.init_weights:
            super().apply(fn)
        return self

    def _read(self, history: Tensor) -> Tensor:
        """The state after each row of left-padded items, int64 (N, length).

        The encoders read from the first item on, and as far back as a recommender does.
        """
        length = history.shape[1]
        seen = (history != self.n_items).sum(dim=1)
        read = seen - self.starts[seen]
        places = torch.arange(max(1, int(read.max())), device=history.device)
        columns = (length - read[:, None] + places).clamp(max=length - 1)
        items = history.gather(1, columns).masked_fill(places >= read[:, None], self.n_items)
        rows = torch.arange(len(items), device=history.device)
        states = self.encoder(items)[rows, (read - 1).clamp(min=0)]
        return states * (read > 0)[:, None]


def check_recommender(value: Any) -> None:
    """Refuse what is no recommender.

    Raises:
        SettingError: such as the folder of one.
    """
    if not isinstance(value, Recommender):
        raise SettingError(
            f"recommender must be a fitted Recommender, got {type(value).__name__}; "
            "Recommender.load(folder) reads a saved one"
        )


def _parts(space: spaces.Space[Any]) -> list[tuple[str, spaces.Space[Any]]]:
    """The entries of a Dict space; a plain history is the only one."""
    return list(space.items()) if isinstance(space, spaces.Dict) else [("history", space)]


def _history_space(space: spaces.Space[Any]) -> spaces.Box:
    history = dict(_parts(space)).get("history")
    if (
        not isinstance(history, spaces.Box)
        or not np.issubdtype(history.dtype, np.integer)
        or len(history.shape) != 1
    ):
        raise SettingError(
            "SequenceFeatures reads the items of a history: make the environment with "
            f'observation="history" or "both"; got {space}'
        )
    return history


def _catalogue_size(
    history: spaces.Box, n_items: int | None, recommender: Recommender | None
) -> int:
    """The padding index of the space, and the size of the catalogue that all must speak of."""
    observed = int(history.high.max())
    told = {"n_items": n_items}
    if recommender is not None:
        check_recommender(recommender)
        told["the recommender"] = recommender.n_items
    for name, size in told.items():
        if size is not None and size != observed:
            raise SettingError(
                f"{name} speaks of {size} items, and the observed histories are of {observed}: "
                "they must share one catalogue"
            )
    return observed


def _encoder_config(
    recommender: Recommender | None,
    backbone: str | None,
    freeze: bool,
    defaults: dict[str, Any],
    sizes: dict[str, Any],
) -> BackboneConfig:
    fitted = None if recommender is None else recommender.config.backbone
    config = fitted if fitted and backbone is None else BACKBONES.make(backbone or DEFAULT_BACKBONE)
    known = settings_of(config)
    if unknown := sorted(set(sizes) - set(known)):
        raise SettingError(
            f"{', '.join(unknown)}: no such size of {config.name}; there are {', '.join(known)}"
        )
    sizes = {"dropout": 0.0, **sizes}
    if fitted is None:
        if freeze:
            raise SettingError(
                "freeze=True keeps the weights of a fitted encoder: name it, recommender=..."
            )
        return replace(config, **{**defaults, **sizes})
    named = {"backbone": config.name, **sizes}
    for name, value in named.items():
        own = {"backbone": fitted.name, **settings_of(fitted)}.get(name)
        if name != "dropout" and value != own:
            raise SettingError(
                f"{name}={value!r}, and the recommender was fitted with {own!r}; leave it out"
            )
    return replace(fitted, dropout=sizes["dropout"])
