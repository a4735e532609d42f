"""``Sitting``: a person in the place of one user of a log, item by item."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from llmrec_env.data.feedback import source_of, told
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.evaluation.returns import begin, observation_settings
from llmrec_env.evaluation.stochastic import StochasticPolicy, draw_actions
from llmrec_env.users.states_from import StatesFromSession
from llmrec_env.web.seat.answers import Answer
from llmrec_env.web.seat.person import PersonAnswer, PersonSession, PersonUser

MOST_STARS = 5
LONGEST_KIND = 40
"""Characters of a text that stands beside a title in a list."""


@dataclass(frozen=True)
class Item:
    """An item as a person reads it.

    Attributes:
        title: its title.
        texts: what else is written about it, by column.
        liked: how the user liked it, in the unit of the log; "" where nobody knows.
    """

    title: str
    texts: tuple[tuple[str, str], ...] = ()
    liked: str = ""

    @property
    def kind(self) -> str:
        """The first of the texts, such as the category, where it is short enough for a list."""
        first = self.texts[0][1] if self.texts else ""
        return first if len(first) <= LONGEST_KIND else ""


@dataclass(frozen=True, eq=False)
class Seat:
    """What all sittings share.

    Attributes:
        person: the simulator with a person in it.
        policy: who recommends; agent: what it is called.
        items: how many items a person is shown at most.
        seed: draws what is shown and what the simulated user takes.
    """

    person: PersonUser
    policy: StochasticPolicy
    agent: str
    items: int
    seed: int = 0

    def env(self) -> NextItemVectorEnv:
        """An environment with a person in it."""
        return NextItemVectorEnv(
            num_envs=1,
            simulator=self.person,
            max_episode_steps=self.items,
            patience=self.items + 1,  # the person says when it is enough
            autoreset="disabled",
            **observation_settings(self.policy),  # type: ignore[arg-type]
        )

    def check(self) -> None:
        """Let the policy see where it is to act.

        Raises:
            LLMRecError: it learned among other items, or on other observations.
        """
        begin(self.policy, self.person, self.env())  # type: ignore[arg-type]

    def named(self, index: int) -> tuple[str, str]:
        """The id and the title of an item."""
        catalogue = self.person.catalogue
        return catalogue.table["item_id"][index], catalogue.titles[index]

    def item(self, index: int, liked: float = float("nan")) -> Item:
        """What is written about an item."""
        catalogue = self.person.catalogue
        row = catalogue.table.row(index, named=True)
        names = [name for name in catalogue.text_columns if name != "title" and row[name]]
        texts = tuple((name.replace("_", " "), str(row[name])) for name in names)
        return Item(catalogue.titles[index], texts, "" if np.isnan(liked) else f"{liked:g}")


class Sitting:
    """One person in the place of one user; the environment is that of agents.

    Args:
        seat: what is shared.
        name: of this sitting, different from all others; with the seed it decides every draw.
        user_id: whose history the person gets; None draws one who can start an episode.
        before: answers that were given already, in their order.

    Attributes:
        user_id: whose history it is; history: what they took before, oldest first.
        answers: what was said so far.
        ended: whether there is nothing more to answer.
        item: the index of the item that is shown.

    Raises:
        DataError: no such user starts episodes.
    """

    def __init__(
        self, seat: Seat, name: str, user_id: str | None = None, before: Sequence[Answer] = ()
    ) -> None:
        self._seat = seat
        self.name = name
        self._env = seat.env()
        self._rng = np.random.default_rng([seat.seed, zlib.crc32(name.encode())])
        options = {} if user_id is None else {"user_id": [user_id]}
        start = int(self._rng.integers(2**31))
        self._observations, infos = self._env.reset(seed=start, options=options)
        self.user_id = str(infos["user_id"][0])
        self.history = self._history()
        self.answers: list[Answer] = []
        self.ended = False
        places = seat.person.catalogue.index_of([answer.item_id for answer in before]).tolist()
        for answer, place in zip(before, places, strict=True):
            if self.ended:  # fewer items than when these were given
                break
            self.item = place
            self._do(answer.taken, answer.liking)
            self.answers.append(answer)
        if not self.ended:
            self.item = self._recommended()

    @property
    def shown(self) -> Item:
        """The item that is shown now."""
        return self._seat.item(self.item)

    @property
    def last(self) -> Answer | None:
        """The last answer."""
        return self.answers[-1] if self.answers else None

    def answer(self, taken: bool, liking: int) -> Answer:
        """Take or skip the item that is shown, and say how much it is liked, from 1 to 5."""
        item_id, title = self._seat.named(self.item)
        chance, said_liking = self._do(taken, liking)
        answer = Answer(
            visit=self.name,
            step=len(self.answers),
            agent=self._seat.agent,
            user_id=self.user_id,
            item_id=item_id,
            title=title,
            taken=taken,
            liking=liking,
            le_accept_probability=chance,
            le_taken=bool(self._rng.random() < chance),
            le_liking=said_liking,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.answers.append(answer)
        if not self.ended:
            self.item = self._recommended()
        return answer

    def end(self) -> None:
        """Get up: nothing more is shown, and the session of the simulator is let go."""
        if not self.ended:
            self.ended = True
            del self._env

    def _do(self, taken: bool, liking: int) -> tuple[float, float]:
        """Let the environment go on; what the simulated user said: chance of taking, and liking."""
        session = self._env.rules.session
        assert isinstance(session, StatesFromSession)
        assert isinstance(session.answering, PersonSession)
        session.answering.answer = PersonAnswer(taken, (liking - 1) / (MOST_STARS - 1))
        step = self._env.step(np.array([self.item]))
        self._observations, _, terminated, truncated, _ = step
        said = session.observed
        assert said is not None
        if terminated[0] or truncated[0]:
            self.end()
        return float(said.accept_probability[0]), float(said.reward[0])

    def _recommended(self) -> int:
        shares = self._seat.policy.action_probabilities(
            self._observations, self._env.action_masks()
        )
        return int(draw_actions(shares, self._rng.random(1))[0])

    def _history(self) -> list[Item]:
        histories = self._env.rules.initial_histories
        log = histories.log
        user = histories.find(self.user_id)
        items, first = histories.history(user), log.offsets[user]
        likings: Any = told(log, source_of(log))[first : first + len(items)]
        pairs = zip(items.tolist(), likings.tolist(), strict=True)
        return [self._seat.item(item, liked) for item, liked in pairs]
