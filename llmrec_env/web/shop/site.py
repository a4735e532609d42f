"""``ShopSite``: the pages on which a person shops, compares and watches replays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.shop.rollouts import Rollout, check_goal
from agents.shop.shop_pool import ShopAgent, shop_of
from llmrec_env.envs.shop.views.rendering import submitted
from llmrec_env.web.guard import LOOPBACK
from llmrec_env.web.shop.contest import Contest, Contestant, contestants
from llmrec_env.web.shop.episode import Bought, ShopEpisode, replayed
from llmrec_env.web.shop.trajectories import Trajectories
from llmrec_env.web.shop.view import wish_of
from llmrec_env.web.site import form_of, go_to, make_site, rendered
from llmrec_env.web.visits import Visits

LATEST = 12
"""Finished episodes that the first page names."""
STILL = "is still shopping"
NO_SUCH_EPISODE = "There is no such episode."


@dataclass
class Visit:
    """A person's episode, what to tell them once, and whether the finished episode is saved."""

    episode: ShopEpisode
    notice: str = ""
    saved: bool = False


@dataclass(frozen=True)
class Result:
    """How an agent did: the name, what it goes by, the rollout (None where it is not done, or has
    failed), what was bought, and where the replay stands."""

    name: str
    note: str
    rollout: Rollout | None = None
    bought: Bought | None = None
    replay: str = ""


@dataclass(frozen=True)
class Replay:
    """Episodes to watch under one name: ``path`` of the pages, ``title`` of the list."""

    path: str
    title: str
    rollouts: Sequence[Rollout] = field(default_factory=list)


class ShopSite:
    """A shop for people.

    Args:
        settings: arguments of ``gym.make("LLMRec/Shop-v0", ...)``, without ``observation`` and
            ``action_mode``.
        trajectories: where episodes of people are kept.
        policies: trained agents that shop for the same goals, by name.
        replays: saved episodes to watch.
        replay_title: what they are called.
        seed: draws goals; None for different ones every time.

    Raises:
        DataError: an episode belongs to another shop.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        trajectories: Trajectories,
        policies: Mapping[str, ShopAgent] | None = None,
        replays: Sequence[Rollout] = (),
        replay_title: str = "",
        seed: int | None = None,
    ) -> None:
        self._settings = settings
        self._shop = shop_of(settings)
        self._trajectories = trajectories
        self._contest = Contest(settings, contestants(self._shop, policies or {}))
        self._replays = {
            "file": Replay("/replays/file", replay_title, replays),
            "people": Replay("/replays/people", "Episodes of people", trajectories.finished),
        }
        for replay in self._replays.values():
            for rollout in replay.rollouts:
                check_goal(rollout, self._shop.goals)
        self._rng = np.random.default_rng(seed)
        self._visits: Visits[Visit] = Visits("llmrec_shop")
        for token, rollout in trajectories.left_running():
            check_goal(rollout, self._shop.goals)
            self._visits.put(token, Visit(replayed(settings, rollout)))

    def application(self, hosts: Collection[str] | None = LOOPBACK) -> Starlette:
        """The site, to be served; ``hosts`` as :class:`llmrec_env.web.guard.Guard` takes them."""
        routes = [
            Route("/", self.welcome),
            Route("/start", self.start, methods=["POST"]),
            Route("/shop", self.shop),
            Route("/act", self.act, methods=["POST"]),
            Route("/agents/{number:int}", self.agent),
            Route("/replays/{source}/{number:int}", self.replay),
        ]
        return make_site(routes, hosts)

    async def welcome(self, request: Request) -> Response:
        """What this is, a form to begin, and what can be watched."""
        visit = self._visits.of(request)
        latest = {
            replay.title: [
                (f"{replay.path}/{number}", replay.rollouts[number])
                for number in _latest(len(replay.rollouts), newest_first=source == "people")
            ]
            for source, replay in self._replays.items()
        }
        return rendered(
            "shop/welcome.html.j2",
            goals=len(self._shop.goals),
            products=len(self._shop.inventory.catalogue),
            running=visit is not None and not visit.episode.ended,
            latest={title: rows for title, rows in latest.items() if rows},
        )

    async def start(self, request: Request) -> Response:
        """Begin an episode, with the goal that the form names or one that is drawn."""
        named = (await form_of(request)).get("goal", "").strip()
        if not named:
            goal = self._shop.goal_set.draw(self._rng)
        elif named.isdecimal() and int(named[:9]) < len(self._shop.goals):
            goal = int(named[:9])
        else:
            raise HTTPException(404, f"There is no goal {named[:20]!r} here.")
        response = go_to("/shop")
        self._visits.begin(request, response, Visit(ShopEpisode(self._settings, goal)))
        self._keep_running()
        return response

    async def shop(self, request: Request) -> Response:
        """The page where the person is, or how it ended."""
        visit = self._visits.of(request)
        if visit is None:
            return go_to("/")
        if visit.episode.ended:
            self._save(visit)  # where the disk was full before
            return await self._end(visit.episode)
        notice, visit.notice = visit.notice, ""
        episode = visit.episode
        return rendered(
            "shop/shop.html.j2",
            page=episode.page,
            step=len(episode.actions),
            step_limit=episode.step_limit,
            notice=notice,
        )

    async def act(self, request: Request) -> Response:
        """Do what a form says, if it stood on the page where the person is."""
        visit, form = self._visits.of(request), await form_of(request)
        if visit is None:
            return go_to("/")
        episode = visit.episode
        if episode.ended:
            return go_to("/shop")
        if form.get("step") != str(len(episode.actions)):
            visit.notice = "That page was left already. Here is where you are."
            return go_to("/shop")
        episode.act(submitted(form))
        if not episode.valid:
            visit.notice = "That could not be done here. It cost a step all the same."
        if episode.ended:
            self._save(visit)
        self._keep_running()
        return go_to("/shop")

    async def agent(self, request: Request) -> Response:
        """What an agent did with the goal of the person's finished episode, step by step."""
        visit, number = self._visits.of(request), request.path_params["number"]
        if visit is None or not visit.episode.ended:
            raise HTTPException(404, "Finish your own episode first.")
        agents = await self._agents(visit.episode.goal)
        rollout = agents[number].rollout if number < len(agents) else None
        if rollout is None:
            raise HTTPException(404, NO_SUCH_EPISODE)
        return self._watch(request, rollout, agents[number].replay, agents[number].name)

    async def replay(self, request: Request) -> Response:
        """A saved episode, step by step."""
        replay = self._replays.get(request.path_params["source"])
        number = request.path_params["number"]
        if replay is None or number >= len(replay.rollouts):
            raise HTTPException(404, NO_SUCH_EPISODE)
        path = f"{replay.path}/{number}"
        return self._watch(request, replay.rollouts[number], path, f"{replay.title}, {number + 1}")

    def _watch(self, request: Request, rollout: Rollout, path: str, title: str) -> Response:
        asked = request.query_params.get("step", "0")
        step = min(int(asked[:9]) if asked.isdecimal() else 0, len(rollout.actions))
        episode = replayed(self._settings, rollout, step)
        return rendered(
            "shop/replay.html.j2",
            page=episode.page,
            wish=wish_of(self._shop.goals[rollout.goal]),
            bought=episode.bought,
            rollout=rollout,
            path=path,
            title=title,
            step=step,
            action=rollout.actions[step] if step < len(rollout.actions) else None,
            possible=replayed(self._settings, rollout, step + 1).valid,
        )

    async def _end(self, episode: ShopEpisode) -> Response:
        agents = await self._agents(episode.goal)
        return rendered(
            "shop/end.html.j2",
            wish=wish_of(self._shop.goals[episode.goal]),
            bought=episode.bought,
            rollout=episode.rollout,
            agents=agents,
            waiting=any(agent.note == STILL for agent in agents),
            explained=isinstance(self._settings.get("reward", ""), str),
            saved=str(self._trajectories.path),
        )

    async def _agents(self, goal: int) -> list[Result]:
        """How each agent did with a goal, as far as that is known by now."""
        futures = await run_in_threadpool(self._contest.rollouts, goal)
        numbered = enumerate(zip(self._contest.contestants, futures, strict=True))
        return [self._result(number, *pair) for number, pair in numbered]

    def _result(self, number: int, contestant: Contestant, future: Future[Rollout]) -> Result:
        if not future.done():
            return Result(contestant.name, STILL)
        if error := future.exception():
            return Result(contestant.name, f"failed: {error}")
        rollout = future.result()
        bought = replayed(self._settings, rollout).bought
        return Result(contestant.name, contestant.note, rollout, bought, f"/agents/{number}")

    def _save(self, visit: Visit) -> None:
        """Save a finished episode, once."""
        if not visit.saved:
            self._trajectories.add(visit.episode.rollout)
            visit.saved = True

    def _keep_running(self) -> None:
        running = {
            token: visit.episode.rollout
            for token, visit in self._visits.items()
            if not visit.episode.ended
        }
        self._trajectories.keep_running(running)


def _latest(count: int, newest_first: bool) -> Sequence[int]:
    """The numbers of some episodes out of many."""
    numbers = range(count)
    return numbers[::-1][:LATEST] if newest_first else numbers[:LATEST]
