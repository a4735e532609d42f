"""``LanguageEnvironment``, the LE: a causal LM with item tokens, LoRA adapters and heads."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from llmrec_env.common.device import check_device, check_dtype
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.saved_folder import CONFIG, reading
from llmrec_env.common.settings_types import check_types
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.windows import Window
from llmrec_env.language.heads import Heads
from llmrec_env.language.item_words import ItemWords
from llmrec_env.language.liking import LikingHead
from llmrec_env.language.lm.backend import LMBackend
from llmrec_env.language.members import Members
from llmrec_env.language.saved_checks import FLOATS, HEADS, INTEGERS, check_restored
from llmrec_env.language.saving import SavedModel, write_folder
from llmrec_env.language.text_space import TextSpace

MEMBERS = "members."
"""How the names of the members' numbers begin where they are saved."""
LATER = ("item_score.", "liking.posterior.")
"""What heads saved by an earlier version lack; without it they answer as they did."""


@dataclass(frozen=True)
class LanguageEnvironmentConfig:
    """What shapes an LE; learning has its own settings."""

    window: Window = field(default_factory=Window)
    state_size: int = 256
    """Length of a state at most; the width of what read the items' texts where that is smaller."""
    layers: int | None = None
    """Layers of the base model that read, from the first one on, with the norm that follows its
    last one; None for all of them. Time and memory fall in proportion."""
    lora_rank: int = 8
    lora_alpha: int = 16
    lora_dropout: float = 0.0
    lora_modules: tuple[str, ...] = ()
    """Names of the linear maps that LoRA adapts, as peft matches them, such as "q_proj", "v_proj";
    empty for all of them."""
    item_ids: bool | None = None
    """Whether each item also learns a vector of its own: what users share, beyond what its text
    says. An item that no training user saw is then read by its text alone. None: for catalogues of
    ``EXACT_ITEMS`` items at most."""
    id_dropout: float = 0.1
    """Share of the items that a step of learning knows by their text alone, where they have ids."""
    output_scale: float | None = None
    """What LM outputs are multiplied by before state and reward are corrected by them. The smaller,
    the slower the corrections learn beside what they correct. None: 1 where the LM itself read the
    texts, 1 / sqrt(H) where the items' features are a sentence encoder's, or random."""
    ordered: bool | None = None
    """Whether histories are sequences. Where they are sets, items have no positions and all weigh
    the same. None: as the training log says (:attr:`InteractionLog.is_ordered`)."""
    long_run: bool = True
    """Whether states tell what users like in the long run beside what they took lately, so that
    more of the same may please less for a while. Only of histories that are sequences; forgotten
    where validation users are told better without."""
    feedback: FeedbackScale | None = None
    """How the training log's feedback is put into numbers, where it has any: the LE then reads
    histories with it, and answers how much an item is liked apart from whether it is taken."""
    skips: bool = False
    """Whether skipped items can stand in a history. A fit decides it: where
    :attr:`LearningConfig.read_skips` is above 0 and there is a language model to read them."""
    seed: int = 0
    """Seed of the first weights of adapter and heads."""

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 <= self.id_dropout < 1:
            raise SettingError(f"id_dropout must lie in [0, 1), got {self.id_dropout}")
        if self.output_scale is not None and not 0 < self.output_scale < math.inf:
            raise SettingError(
                f"output_scale must be a number above 0, or None, got {self.output_scale}"
            )


class ItemTables(NamedTuple):
    """All items as the heads see them.

    Attributes:
        tokens: (n_items, H), what the LM reads, in its dtype.
        features: float32 (n_items, D), what the residual state averages.
        vectors: float32 (n_items, D), where states point to.
    """

    tokens: Tensor
    features: Tensor
    vectors: Tensor


class LanguageEnvironment(nn.Module):
    """A causal LM with item tokens, LoRA adapters and the heads of state, action and reward.

    LE of arXiv 2403.16948: items are single tokens of the LM's input space, so a history of t items
    is t tokens, and one causal pass gives the states after each of them and the reward of each.

    Attributes:
        catalogue: the items.
        backend: the causal LM.
        heads: the small trainable parts.
        item_tokens: float32 (n_items, H), buffer; see :mod:`llmrec_env.language.item_tokens`.
        item_features: float32 (n_items, D), unit rows, buffer: what the residual state averages.
        word_ids, word_weights, word_offsets: the items' words, buffers; see :class:`ItemWords`.
        reward_mean, reward_sd: normalisers of the reward over training pairs, buffers.
        members: who answers by what was read, see :mod:`llmrec_env.language.member_learning`; None
            where the heads alone do.
        users: held-out users whose initial histories start episodes, or None.
        record: what learning measured; plain JSON values.
        text_space: how the items' texts were read, so that others can be; None where none were, or
            the LE was saved by a version that kept no account of it.
        saved_at: the folder that it was loaded from, and is as long as it does not learn; or None.
        fingerprint: a short name of what that folder holds; None where there is none.
    """

    item_tokens: Tensor
    item_features: Tensor
    word_ids: Tensor
    word_weights: Tensor
    word_offsets: Tensor
    reward_mean: Tensor
    reward_sd: Tensor

    def __init__(
        self,
        catalogue: Catalogue,
        backend: LMBackend,
        item_tokens: Tensor,
        item_features: Tensor,
        config: LanguageEnvironmentConfig | None = None,
        item_words: ItemWords | None = None,
        users: InteractionLog | None = None,
    ) -> None:
        super().__init__()
        self.config = config or LanguageEnvironmentConfig()
        self.catalogue = catalogue
        self.users = users
        self.record: dict[str, Any] = {}
        self.text_space: TextSpace | None = None
        self.saved_at: Path | None = None
        self.fingerprint: str | None = None
        self.members: Members | None = None
        self._check_sizes(backend, item_tokens, item_features)
        words = item_words if item_words is not None else ItemWords.none(len(catalogue))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            shape = self.config
            backend.adapt(shape.lora_rank, shape.lora_alpha, shape.lora_dropout, shape.lora_modules)
            self.backend = backend
            ids = len(catalogue) if self.config.item_ids else 0
            self.heads = Heads(
                backend.hidden_size,
                item_features.shape[1],
                words.size,
                ids,
                output_scale=1.0 if self.config.output_scale is None else self.config.output_scale,
                liking=self._liking_head(item_features.shape[1]),
                ordered=self.config.ordered is not False,
                id_dropout=self.config.id_dropout,
                skips=self.config.skips,
                long_run=self.config.long_run,
            )
        self.register_buffer("item_tokens", item_tokens.float())
        self.register_buffer("item_features", item_features.float())
        self.register_buffer("word_ids", words.ids)
        self.register_buffer("word_weights", words.weights)
        self.register_buffer("word_offsets", words.offsets)
        self.register_buffer("reward_mean", torch.tensor(0.0))
        self.register_buffer("reward_sd", torch.tensor(1.0))

    def _liking_head(self, feature_size: int) -> LikingHead | None:
        scale = self.config.feedback
        if scale is None:
            return None
        ids = self.config.item_ids is True
        return LikingHead(len(self.catalogue), feature_size, scale.per_user, ids=ids)

    def _check_sizes(self, backend: LMBackend, tokens: Tensor, features: Tensor) -> None:
        expected = (len(self.catalogue), backend.hidden_size)
        if tuple(tokens.shape) != expected or len(features) != len(self.catalogue):
            raise DataError(
                f"item tokens of shape {tuple(tokens.shape)} and features of shape "
                f"{tuple(features.shape)} do not fit {expected[0]} items and a base model of "
                f"hidden size {expected[1]}"
            )
        check_window(self.config.window, backend)

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.item_tokens.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which the language model computes; heads compute in float32."""
        return self.backend.dtype

    @property
    def state_size(self) -> int:
        """Length of a state."""
        return self.item_features.shape[1]

    def new_members(self, count: int, prior: float = 0.0) -> Members:
        """Members of this LE that have learned nothing, drawn by torch's generator."""
        ids = len(self.catalogue) if self.config.item_ids else 0
        return Members(count, ids, self.heads, self.backend.hidden_size, prior)

    def tables(self, items: Tensor | None = None) -> ItemTables:
        """What the LE knows of every item, as its heads stand now.

        Args:
            items: int64 (M,), only these; None for the whole catalogue.
        """
        words = ItemWords(self.word_ids, self.word_weights, self.word_offsets)
        given, tokens = self.item_features, self.item_tokens
        if items is not None:
            words, given, tokens = words.take(items), given[items], tokens[items]
        features = self.heads.features(given, words, items)
        tokens = tokens + self.heads.token_correction(features)
        return ItemTables(tokens.to(self.dtype), features, self.heads.items(features))

    def appeal(self, raw_reward: Tensor) -> Tensor:
        """How much an item draws, in (0, 1): the sigmoid of the normalised raw reward."""
        return torch.sigmoid((raw_reward - self.reward_mean) / self.reward_sd)

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        dtype: torch.dtype = torch.float32,
        copy_base: bool | None = None,
    ) -> None:
        """Save to one folder, whole or not at all: config.json, safetensors, adapter, tokenizer.

        Args:
            folder: where an LE stands there it is replaced.
            dtype: of the stored floating-point numbers; bfloat16 halves the folder.
            copy_base: whether the base model's weights go along; by default where it has under
                fifty million parameters or came from no named place.

        Raises:
            SettingError: the folder holds something that the saved LE lacks, which would be lost.
        """
        description = {
            "n_items": len(self.catalogue),
            "config": asdict(self.config),
            "record": self.record,
        }
        if self.members is not None:
            description["members"] = self.members.count
        write_folder(
            folder,
            self.backend,
            self._stored_tensors(dtype),
            self.catalogue,
            self.users,
            description,
            dtype,
            copy_base,
            self.text_space,
        )

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = torch.float32,
        fold: bool = False,
    ) -> LanguageEnvironment:
        """Load what :meth:`save_pretrained` wrote.

        Args:
            folder: the saved LE.
            device: where it is to run.
            dtype: in which the language model is to compute; its name will do, and "auto" is
                bfloat16 on a GPU that computes in it, else float32.
            fold: whether to add the adapter to the base weights. The LE then reads at the base
                model's own speed, but only answers: it learns no more and cannot be saved.

        Raises:
            LLMRecError: the folder is no saved LE, of a format that this version cannot read, or
                not what was saved: a file is missing, damaged or exchanged, which it names.
            SettingError: the device is not there, or there is no such dtype.
        """
        device = check_device(device)
        saved = SavedModel.open(folder)
        tensors = saved.tensors
        with reading(saved.folder / CONFIG):
            settings = dict(saved.description["config"])
            settings["window"] = Window(**settings["window"])
            if settings.get("feedback") is not None:
                settings["feedback"] = FeedbackScale.from_json(settings["feedback"])
            settings.setdefault("long_run", False)  # of before there was such a mean
            settings["lora_modules"] = tuple(settings.get("lora_modules", ()))
            config, record = LanguageEnvironmentConfig(**settings), saved.record
        with reading(saved.folder):
            model = cls(
                saved.catalogue,
                saved.backend(check_dtype(dtype, device), fold),
                tensors["item_tokens"],
                tensors["item_features"],
                config,
                ItemWords(tensors["word_ids"], tensors["word_weights"], tensors["word_offsets"]),
                users=saved.users,
            )
            model.record, model.text_space = record, saved.text_space
            if (count := saved.description.get("members")) is not None:
                model.members = model.new_members(int(count))
            model._restore(tensors, saved.folder)
            saved.restore_adapter(model.backend, fold)
        model.saved_at, model.fingerprint = saved.folder.absolute(), saved.fingerprint
        return model.to(device).eval()

    def changed(self) -> None:
        """Say that it is no more what :attr:`saved_at` holds."""
        self.saved_at = self.fingerprint = None

    def _stored_tensors(self, dtype: torch.dtype) -> dict[str, Tensor]:
        tensors = {f"heads.{n}": v for n, v in self.heads.state_dict().items()}
        if self.members is not None:
            tensors |= {f"{MEMBERS}{n}": v for n, v in self.members.state_dict().items()}
        tensors |= {name: getattr(self, name) for name in FLOATS}
        tensors = {n: v.detach().cpu().to(dtype).contiguous() for n, v in tensors.items()}
        return tensors | {name: getattr(self, name).cpu().int() for name in INTEGERS}

    def _restore(self, tensors: dict[str, Tensor], folder: Path) -> None:
        """Put stored weights and normalisers into a model that was built of the same folder."""
        prefix = "heads."
        heads = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
        expected = self.heads.state_dict()
        for name in (name for name in expected if name.startswith(LATER)):
            heads.setdefault(name, torch.zeros_like(expected[name]))
        check_restored(folder / HEADS, heads, expected)
        self.heads.load_state_dict(heads)
        if self.members is not None:
            own = {n.removeprefix(MEMBERS): v for n, v in tensors.items() if n.startswith(MEMBERS)}
            check_restored(folder / HEADS, own, self.members.state_dict())
            self.members.load_state_dict(own)
        self.reward_mean.copy_(tensors["reward_mean"])
        self.reward_sd.copy_(tensors["reward_sd"])


def check_window(window: Window, backend: LMBackend) -> None:
    """A window and one action must fit into the positions that the language model has.

    Raises:
        DataError: they do not.
    """
    limit = backend.max_positions
    if limit is not None and window.size + 1 > limit:
        raise DataError(
            f"a window of {window.size} items needs {window.size + 1} positions and the base model "
            f"has {limit}; choose a smaller window"
        )
