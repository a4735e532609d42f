"""Converts human WebShop trajectories into rollouts in this shop.

A trajectory says which pages were seen. Here the pages are walked again: the same searches, the
same products, the same options. Engines rank differently, so a product may stand on another page of
the hits; a browser's own "back" becomes the buttons that lead there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.shop.human_files import HumanTrajectory, Visit
from agents.shop.rollouts import Rollout
from agents.shop.scripted import BACK, BUY, INDEX, NEXT
from agents.shop.shop_pool import ShopPool
from llmrec_env.common.errors import DataError
from llmrec_env.envs.shop.goals import Goal, GoalSet
from llmrec_env.envs.shop.inventory import open_inventory
from llmrec_env.envs.shop.pages import PAGE_SIZE, SUB_PAGES, Kind, Move
from llmrec_env.envs.shop.protocol.protocol import load_protocol
from llmrec_env.envs.shop.search.suggestions import clean_query
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.shop import Shop

OF_MADE_GOALS = ("instructions", "split", "split_by", "goals_per_product")
"""Settings about goals that the shop makes; people bring their own."""


@dataclass(frozen=True)
class Account:
    """What became of one trajectory.

    Attributes:
        source: its file.
        visits: pages that the person saw; made: of them, those that were reached here.
        problems: why the others were not, one text each.
        why_not: why there is no demonstration of it; empty where there is one.
        stated: the reward in the file; None where nothing was bought.
        reward: what the purchase earns here; None where there is no demonstration.
    """

    source: str
    visits: int
    made: int
    problems: tuple[str, ...]
    why_not: str
    stated: float | None
    reward: float | None


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Human trajectories as rollouts.

    Attributes:
        rollouts: one for each trajectory that could be walked to its purchase. Searches stand in
            the person's own words; :func:`agents.shop.rollouts.replay` does those that the slots
            do not offer and passes over them.
        settings: arguments of the environment whose goals are the people's own:
            ``replay(rollouts, settings, observation)``.
        accounts: of every trajectory, used or not.
    """

    rollouts: list[Rollout]
    settings: dict[str, Any]
    accounts: list[Account]

    def report(self) -> str:
        """How many trajectories and pages could be used, and why others could not, by count."""
        used = sum(not account.why_not for account in self.accounts)
        seen = sum(account.visits for account in self.accounts)
        made = sum(account.made for account in self.accounts)
        actions = sum(len(rollout.actions) for rollout in self.rollouts)
        lines = [
            f"{used} of {len(self.accounts)} trajectories used, {actions} actions; "
            f"{made} of {seen} pages reached"
        ]
        rewards = [(account.reward, account.stated) for account in self.accounts]
        same = [abs(r - s) < 1e-9 for r, s in rewards if r is not None and s is not None]
        if same:
            lines.append(f"{sum(same)} of {len(same)} purchases earn here what the file states")
        unused = Counter(a.why_not for a in self.accounts if a.why_not)
        lines += [f"not used, {n}: {why}" for why, n in unused.most_common()]
        passed = Counter(problem for a in self.accounts for problem in a.problems)
        lines += [f"page passed over, {n}: {why}" for why, n in passed.most_common()]
        return "\n".join(lines)


def demonstrate(
    trajectories: Sequence[HumanTrajectory], settings: Mapping[str, Any]
) -> Demonstrations:
    """Walk human trajectories in this shop.

    A page that cannot be reached (its product is not sold here, the search does not find it, a
    value is not offered) is passed over and counted. A trajectory is used where the product asked
    for is sold and the purchase itself can be made, with the same options, within the step limit.

    Args:
        trajectories: what :func:`agents.shop.human_files.read_trajectories` read.
        settings: arguments of the environment, such as ``catalogue``, ``reward`` and
            ``max_episode_steps``; those about goals are put aside, as people bring their own.
    """
    settings = {name: value for name, value in settings.items() if name not in OF_MADE_GOALS}
    if (named := settings.pop("protocol", None)) is not None:  # its goals are others
        protocol = load_protocol(named)
        settings |= {"reward": protocol.reward, "goal_seed": protocol.goal_seed}
        if settings.get("catalogue") is None:
            settings["catalogue"] = protocol.catalogue.generated
    catalogue = open_inventory(settings.get("catalogue")).catalogue
    goals: dict[int, Goal] = {}
    for number, trajectory in enumerate(trajectories):
        try:
            goals[number] = replace(trajectory.goal, row=catalogue.row(trajectory.goal.asin))
        except DataError:
            continue  # accounted for below
    goal_set = GoalSet(list(goals.values()))
    settings |= {"instructions": goal_set, "split": "all"}
    if not goals:
        return Demonstrations([], settings, [_absent(one) for one in trajectories])
    pool = ShopPool(settings, "url", "text")
    places = {number: place for place, number in enumerate(goals)}
    rollouts, accounts = [], []
    for number, trajectory in enumerate(trajectories):
        if number not in goals:
            accounts.append(_absent(trajectory))
            continue
        walk = Walk(pool.shop, goals[number])
        account = walk.follow(trajectory, pool.step_limit)
        accounts.append(account)
        if account.reward is not None:
            rollouts.append(
                Rollout(
                    places[number],
                    trajectory.goal.instruction,
                    tuple(walk.actions),
                    account.reward,
                    account.reward == 1.0,
                )
            )
    return Demonstrations(rollouts, settings, accounts)


def _absent(trajectory: HumanTrajectory) -> Account:
    why = "the product asked for is not in this catalogue"
    return Account(trajectory.source, len(trajectory.visits), 0, (), why, trajectory.reward, None)


class _Impossible(Exception):
    """A page cannot be reached here; the message says why."""


class Walk:
    """One way through a shop, page by page.

    Args:
        shop: where.
        goal: what is to be bought.

    Attributes:
        actions: what was done so far.
    """

    def __init__(self, shop: Shop, goal: Goal) -> None:
        self._shop = shop
        self._session = Session(shop.pages, shop.rule)
        self._session.begin(goal)
        self.actions: list[str] = []

    def follow(self, trajectory: HumanTrajectory, limit: int | None = None) -> Account:
        """Go where the person went, as far as it can be done.

        Args:
            trajectory: the pages that were seen.
            limit: actions that an episode has at most; None for any number.
        """
        made, problems = 0, []
        for visit in trajectory.visits:
            if self._session.page.is_done:
                problems.append("it was seen after the purchase")
                continue
            try:
                self._go(visit)
                made += 1
            except _Impossible as error:
                problems.append(str(error))
        verdict, why_not = self._session.verdict, ""
        if trajectory.reward is None:
            why_not = "nothing was bought"
        elif verdict is None:
            why_not = f"the purchase cannot be made: {problems[-1]}"
        elif limit is not None and len(self.actions) > limit:
            why_not = f"more than {limit} actions: pass a larger max_episode_steps"
        return Account(
            source=trajectory.source,
            visits=len(trajectory.visits),
            made=made,
            problems=tuple(problems),
            why_not=why_not,
            stated=trajectory.reward,
            reward=verdict.reward if verdict is not None and not why_not else None,
        )

    def _go(self, visit: Visit) -> None:
        if visit.page == "index":
            self._to_index()
        elif visit.page == "search_results":
            self._to_results(clean_query(visit.words))
            self._turn(visit.number)
        elif visit.page == "item_sub_page":
            if visit.sub_page not in SUB_PAGES:
                raise _Impossible(f"products have no page {visit.sub_page!r} here")
            self._to_item(visit)
            self._do(f"click[{visit.sub_page}]")
        else:
            self._to_item(visit)
            if visit.page == "done":
                self._do(BUY)

    def _do(self, action: str) -> None:
        if not self._session.act(action):
            raise _Impossible(f"{action} is no valid action here")
        self.actions.append(action)

    def _to_index(self) -> None:
        if not self._session.page.is_index:
            self._do(INDEX)

    def _to_results(self, query: str) -> None:
        """Any page of what a query finds."""
        session = self._session
        if not query:
            raise _Impossible("the search has no words")
        if session.query == query and not session.page.is_index:
            while not session.page.is_results:
                self._do(BACK)
        else:
            self._to_index()
            self._do(f"search[{query}]")

    def _turn(self, number: int) -> None:
        pages = max(1, -(-self._session.page.total // PAGE_SIZE))
        if number >= pages:
            raise _Impossible("there are fewer pages of results here")
        while self._session.page.number != number:
            self._do(NEXT if self._session.page.number < number else BACK)

    def _to_item(self, visit: Visit) -> None:
        """The page of a product, with just these values chosen."""
        session = self._session
        try:
            row = self._shop.inventory.catalogue.row(visit.asin)
        except DataError:
            raise _Impossible("a product is not in this catalogue") from None
        offered = self._shop.inventory.catalogue.options(row)
        wanted = {name.lower(): value.lower() for name, value in visit.options.items()}
        if not all(value in offered.get(name, ()) for name, value in wanted.items()):
            raise _Impossible("a product does not offer a value that was chosen")
        page = session.page
        is_open = page.product is not None and page.rows[0] == row
        if not is_open or not session.options.keys() <= wanted.keys():
            query = clean_query(visit.words) or session.query
            hits = self._shop.pages.hits(query).tolist() if query else []
            if row not in hits:
                raise _Impossible("the person's search does not find a product here")
            self._to_results(query)
            self._turn(hits.index(row) // PAGE_SIZE)
            self._do(f"click[{visit.asin.lower()}]")
        elif session.page.kind != Kind.ITEM:
            self._do(BACK)
        for name, value in wanted.items():
            if session.options.get(name) != value:
                move = Move("choose", (name, value))
                self._do(next(a for a, m in session.page.moves.items() if m == move))
