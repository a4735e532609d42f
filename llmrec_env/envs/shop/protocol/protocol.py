"""``ShopProtocol``: the named, hashed description of what a result of the shop means."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import atomic_path, local_path, read_json
from llmrec_env.common.wording import listed, shown
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import SPLIT_BY, SPLITS, Goal
from llmrec_env.envs.shop.protocol.content import catalogue_hash, goals_hash, text_hash
from llmrec_env.envs.shop.protocol.parts import (
    NAMES,
    CatalogueRecord,
    check_splits,
    read_record,
    same_value,
)

NAMED = Path(__file__).parent / "named"
INSTRUCTIONS = ("synthetic", "human", "paraphrased")
REWARDS = ("repaired", "webshop")
LIMITS = ("max_episode_steps", "max_steps", "max_calls")
"""What the step limit is called: by ``gym.make``, by loops of texts, by tools."""
NOT_HASHED = ("name", "about")
DIGITS = 12
"""Hex digits of a hash that people see."""


@dataclass(frozen=True, eq=False)
class ShopProtocol:
    """What a result of the shop means; two results are comparable where the hashes are the same.

    ``gym.make("LLMRec/Shop-v0", protocol=...)``, :class:`~llmrec_env.envs.shop.shop.Shop`, tools
    and loops take one, a name or a file in place of the settings that it fixes.

    Attributes:
        name: what people call it; about: one line on what it is.
        catalogue: the products.
        instructions, reward, goal_seed, goals_per_product: as ``gym.make`` takes them; the seed
            draws prices and limits, and dealt the goals out.
        split_by: what the splits do not share, ``"product"`` or ``"goal"``; ``"position"`` for the
            field's own split.
        n_goals: how many goals the catalogue and these settings make, and goals_sha256: their
            content, by :func:`~llmrec_env.envs.shop.protocol.content.goals_hash`.
        max_episode_steps: actions in an episode.
        observation, prompt_tokens: what an agent reads that is a language model. An agent that
            reads another form is reported with it.
        splits: the indices of goals in ``"train"``, ``"validation"`` and ``"test"``. A goal's index
            in a split is its place there, so the first n test goals are the same for everybody.

    Raises:
        SettingError: the parts do not fit each other.
    """

    name: str
    about: str
    catalogue: CatalogueRecord
    instructions: str
    reward: str
    goal_seed: int
    goals_per_product: int | None
    split_by: str
    n_goals: int
    goals_sha256: str
    max_episode_steps: int
    observation: str
    prompt_tokens: int
    splits: Mapping[str, tuple[int, ...]] = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("name", "about", "goals_sha256", "observation"):
            if not isinstance(getattr(self, name), str):
                raise SettingError(f"{name} must be a text, got {shown(getattr(self, name))}")
        if not self.name.strip():
            raise SettingError("a protocol needs a name")
        check_name("instructions", self.instructions, INSTRUCTIONS)
        check_name("reward", self.reward, REWARDS)
        check_name("split_by", self.split_by, SPLIT_BY)
        for name, least in (("goal_seed", 0), ("n_goals", 1), ("max_episode_steps", 1)):
            check_whole(name, getattr(self, name), least)
        check_whole("prompt_tokens", self.prompt_tokens, 1)
        if self.goals_per_product is not None:
            check_whole("goals_per_product", self.goals_per_product, 1)
        check_splits(self.splits, self.n_goals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShopProtocol) and other.hash == self.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __deepcopy__(self, memo: object) -> ShopProtocol:
        return self  # gymnasium copies the arguments of an environment

    @cached_property
    def hash(self) -> str:
        """64 hex digits of all that a result depends on: everything but name and description."""
        said = {name: value for name, value in self.to_json().items() if name not in NOT_HASHED}
        return text_hash(said)

    @property
    def stamp(self) -> str:
        """Name and the beginning of the hash, for tables: ``webshop-products 3f2a9c01b4d7``."""
        return f"{self.name} {self.hash[:DIGITS]}"

    def indices(self, split: str) -> tuple[int, ...]:
        """Indices of the goals of a split, in its order; of ``"all"`` ascending."""
        check_name("split", split, SPLITS)
        if split == "all":
            return tuple(sorted(index for own in self.splits.values() for index in own))
        return self.splits[split]

    def split_names(self) -> list[str]:
        """The split of each of the ``n_goals`` goals; ``"all"`` of those that are in none."""
        names = ["all"] * self.n_goals
        for split, indices in self.splits.items():
            for index in indices:
                names[index] = split
        return names

    def settings(
        self, split: str, catalogue: Any = None, limit: str = "max_episode_steps"
    ) -> dict[str, Any]:
        """Keywords of ``gym.make("LLMRec/Shop-v0")`` and of all that takes an environment's.

        Args:
            split: which goals.
            catalogue: where the products lie, for a protocol of files.
            limit: what the step limit is called: ``"max_episode_steps"``, which loops and tools
                know too, or their own ``"max_steps"`` and ``"max_calls"``.

        Raises:
            SettingError: there is no such split or limit, or the products lie nowhere.
        """
        check_name("split", split, SPLITS)
        check_name("limit", limit, LIMITS)
        source = self._source(catalogue)
        known = self.name in named_protocols() and load_protocol(self.name) == self
        return {
            "catalogue": source,
            "protocol": self.name if known else self,
            "split": split,
            limit: self.max_episode_steps,
        }

    def shop_arguments(self, split: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a shop, where what was given is this protocol's or nothing.

        Args:
            split: which goals; training may earn by a reward rule of one's own.
            given: ``source``, and all that a protocol fixes, None where it was not given.

        Raises:
            SettingError: something is another than the protocol's.
        """
        own = {"source": self._source(given["source"])}
        for name in FIXED:
            value, fixed = given[name], getattr(self, name)
            if name == "reward" and split == "train" and callable(value):
                own[name] = value
            elif value is None or same_value(value, fixed):
                own[name] = fixed
            else:
                raise SettingError(
                    f"{name}={shown(value)} beside protocol {self.name!r}, which has {fixed!r}: "
                    f"leave {name} out, or make a protocol of your own"
                )
        return own

    def check_limits(self, name: str, steps: int | None, prompt_tokens: int) -> None:
        """Refuse another limit of steps, and longer pages.

        Args:
            name: what the limit is called, one of :data:`LIMITS`.
            steps: the limit; None or -1 where none was given.
            prompt_tokens: of a page at most.

        Raises:
            SettingError: they are others than the protocol's.
        """
        if steps is not None and steps not in (-1, self.max_episode_steps):
            raise SettingError(
                f"{name}={steps} beside protocol {self.name!r}, which has "
                f"{self.max_episode_steps} steps an episode: leave {name} out, or make a protocol "
                "of your own"
            )
        if prompt_tokens > self.prompt_tokens:
            raise SettingError(
                f"prompt_tokens={prompt_tokens} beside protocol {self.name!r}, which has pages of "
                f"{self.prompt_tokens} tokens at most: leave prompt_tokens out, or make a protocol "
                "of your own"
            )

    def check_catalogue(self, catalogue: ProductCatalogue) -> None:
        """Refuse another catalogue.

        Raises:
            SettingError: its products are others.
        """
        known = self.catalogue
        if len(catalogue) == known.n_products and catalogue_hash(catalogue) == known.sha256:
            return
        raise SettingError(
            f"protocol {self.name!r} is about another catalogue: {known.n_products} products "
            f"{known.sha256[:DIGITS]}, and this one ({catalogue.facts.origin}) has "
            f"{len(catalogue)} products {catalogue_hash(catalogue)[:DIGITS]}; make_protocol(), or "
            "`llmrec shop protocol`, makes one about it"
        )

    def check_goals(self, goals: Sequence[Goal]) -> None:
        """Refuse other goals than those that the protocol deals out.

        Raises:
            SettingError: they are others.
        """
        found = goals_hash(goals)
        if len(goals) != self.n_goals or found != self.goals_sha256:
            raise SettingError(
                f"protocol {self.name!r} deals out {self.n_goals} goals "
                f"{self.goals_sha256[:DIGITS]}, and this version makes {len(goals)} goals "
                f"{found[:DIGITS]} of the same settings: its results are not comparable; use the "
                "version that the protocol was made with, or make it anew under another name"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which :meth:`from_json` makes the same."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        own["catalogue"] = vars(self.catalogue)
        own["splits"] = {name: list(self.splits[name]) for name in NAMES}
        return own

    @classmethod
    def from_json(cls, values: Any, where: str = "protocol") -> ShopProtocol:
        """What :meth:`to_json` gave.

        Raises:
            DataError: it is something else; the message begins with ``where``.
        """
        known = [one.name for one in fields(cls)]
        if not isinstance(values, dict) or set(values) != set(known):
            got = listed(values) if isinstance(values, dict) else shown(values)
            raise DataError(f"{where}: no protocol; expected {', '.join(known)}, got {got}")
        try:
            catalogue = read_record(values["catalogue"])
            splits = {name: tuple(own) for name, own in dict(values["splits"]).items()}
            return cls(**{**values, "catalogue": catalogue, "splits": splits})
        except (SettingError, TypeError, ValueError) as error:
            raise DataError(f"{where}: no protocol ({error})") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, whole or not at all; a line a field."""
        lines = [f"  {json.dumps(name)}: {json.dumps(v)}" for name, v in self.to_json().items()]
        with atomic_path(path) as temporary:
            temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    def _source(self, given: Any) -> Any:
        """Where the products come from; those of a generated shop need not be named."""
        if given is not None:
            return given
        if self.catalogue.generated is None:
            raise SettingError(
                f"protocol {self.name!r} is about files of {self.catalogue.n_products} products: "
                "pass their folder as catalogue (--catalogue)"
            )
        return self.catalogue.generated


FIXED: dict[str, Any] = {
    "instructions": "synthetic",
    "reward": "repaired",
    "goal_seed": 0,
    "split_by": "product",
    "goals_per_product": None,
}
"""The arguments of a shop that a protocol fixes, and what each is without one."""


@lru_cache(maxsize=1)
def named_protocols() -> tuple[str, ...]:
    """The names of the protocols that come with the package."""
    return tuple(sorted(path.stem for path in NAMED.glob("*.json")))


def load_protocol(source: str | os.PathLike[str] | ShopProtocol) -> ShopProtocol:
    """A protocol by name, or from a file that :meth:`ShopProtocol.save` wrote.

    Raises:
        SettingError: there is neither such a name nor such a file.
        DataError: the file holds no protocol.
    """
    if isinstance(source, ShopProtocol):
        return source
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        raise SettingError(
            f"protocol must be a name ({', '.join(named_protocols())}), the path of a JSON file or "
            f"a ShopProtocol, got {shown(source)}"
        )
    if source in named_protocols():
        return _load_named(str(source))
    path = local_path(source, "protocol")
    if not path.is_file():
        raise SettingError(
            f"no protocol {os.fspath(source)!r}: there are {', '.join(named_protocols())}, and no "
            "such file"
        )
    return _load(path)


@lru_cache
def _load_named(name: str) -> ShopProtocol:
    return _load(NAMED / f"{name}.json")


def _load(path: Path) -> ShopProtocol:
    try:
        return ShopProtocol.from_json(read_json(path), str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
