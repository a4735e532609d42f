"""``SeatSite``: the pages on which a person sits in the place of a recommender's user."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llmrec_env.common.errors import DataError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.evaluation.person_agreement import (
    ENOUGH,
    ENOUGH_OF_EACH,
    Agreement,
    person_agreement,
)
from llmrec_env.web.guard import LOOPBACK
from llmrec_env.web.seat.answers import AnswersFile, compared
from llmrec_env.web.seat.sitting import MOST_STARS, Seat, Sitting
from llmrec_env.web.site import form_of, go_to, make_site, rendered
from llmrec_env.web.visits import Visits

ANSWERS, RUNNING = "answers.jsonl", "running.json"
MOST_SITTINGS = 64
"""People at once: each has a session of the language model, of some megabytes."""
STARS = range(1, MOST_STARS + 1)
ENOUGH_TOLD = {"answers": ENOUGH, "each": ENOUGH_OF_EACH}


class SeatSite:
    """The seat of a user.

    Args:
        seat: whose users, who recommends, how many items.
        folder: claimed for these users; keeps the answers.
        about: whose users they are, and who recommends, in words.
        user_id: the user whose place everybody takes; None lets people choose, or draws one.

    Attributes:
        answers: the file of all answers.

    Raises:
        LLMRecError: no such user starts episodes, the policy cannot recommend to them, or the
            folder holds something else.
    """

    def __init__(
        self, seat: Seat, folder: RunFolder, about: str, user_id: str | None = None
    ) -> None:
        self._seat = seat
        self._folder = folder
        self._about = about
        self._user_id = user_id
        self._so_far = Agreement(0, 0)
        self._asking = asyncio.Lock()  # a language model is asked in a thread, one at a time
        self.answers = AnswersFile(folder.path / ANSWERS)
        self._visits: Visits[Sitting] = Visits("llmrec_seat", MOST_SITTINGS)
        seat.check()
        Sitting(seat, "", user_id)  # is there such a user?
        self._go_on()
        names = {one.visit for one in self.answers.answers}
        names |= {sitting.name for _, sitting in self._visits.items()}
        self._begun = max((int(name) for name in names if name.isdecimal()), default=0)

    def _go_on(self) -> None:
        """Seat those again who had not come to an end when the site was stopped."""
        kept = self._folder.read(RUNNING) if self._folder.has(RUNNING) else {}
        try:
            for token, row in kept.items():
                before = self.answers.of(row["visit"])
                sitting = Sitting(self._seat, row["visit"], row["user_id"], before)
                self._visits.put(token, sitting)
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(
                f"{self._folder.path / RUNNING}: no running visits ({error!r}); remove it to begin "
                "without them"
            ) from None

    def application(self, hosts: Collection[str] | None = LOOPBACK) -> Starlette:
        """The site, to be served; ``hosts`` as :class:`llmrec_env.web.guard.Guard` takes them."""
        routes = [
            Route("/", self.welcome),
            Route("/sit", self.sit, methods=["POST"]),
            Route("/seat", self.seat),
            Route("/answer", self.answer, methods=["POST"]),
            Route("/leave", self.leave, methods=["POST"]),
        ]
        return make_site(routes, hosts)

    async def welcome(self, request: Request) -> Response:
        """What this is, and how far people and the simulated user agree so far."""
        sitting = self._visits.of(request)
        return rendered(
            "seat/welcome.html.j2",
            about=self._about,
            items=self._seat.items,
            chosen=self._user_id,
            running=sitting is not None and not sitting.ended,
            visits=len({one.visit for one in self.answers.answers}),
            agreement=self._agreement(),
            enough=ENOUGH_TOLD,
        )

    async def sit(self, request: Request) -> Response:
        """Take the place of the user that the form names, or of one that is drawn."""
        named = self._user_id or (await form_of(request)).get("user", "").strip() or None
        try:
            async with self._asking:
                self._begun += 1
                sitting = await run_in_threadpool(Sitting, self._seat, str(self._begun), named)
        except DataError as error:
            raise HTTPException(404, str(error)) from None
        response = go_to("/seat")
        self._visits.begin(request, response, sitting)
        self._keep_running()
        return response

    async def seat(self, request: Request) -> Response:
        """The history, the item that is shown, and what was said of the last one."""
        sitting = self._visits.of(request)
        if sitting is None:
            return go_to("/")
        if sitting.ended:
            return rendered(
                "seat/end.html.j2",
                sitting=sitting,
                agreement=person_agreement(compared(sitting.answers)),
                enough=ENOUGH_TOLD,
                saved=str(self.answers.path),
            )
        return rendered(
            "seat/seat.html.j2",
            sitting=sitting,
            item=sitting.shown,
            step=len(sitting.answers),
            items=self._seat.items,
            stars=STARS,
        )

    async def answer(self, request: Request) -> Response:
        """Write down what a person says of the item that the form showed."""
        sitting, form = self._visits.of(request), await form_of(request)
        if sitting is None:
            return go_to("/")
        liking, taken = form.get("liking", ""), form.get("taken", "")
        if liking not in map(str, STARS) or taken not in ("yes", "no"):
            raise HTTPException(400, f"Say how much you like it, from 1 to {MOST_STARS}.")
        async with self._asking:
            if sitting.ended or form.get("step") != str(len(sitting.answers)):
                return go_to("/seat")  # a page that was left, or a second click
            said = await run_in_threadpool(sitting.answer, taken == "yes", int(liking))
            self.answers.append(said)
        if sitting.ended:
            self._keep_running()
        return go_to("/seat")

    async def leave(self, request: Request) -> Response:
        """Get up before the end."""
        sitting = self._visits.of(request)
        if sitting is not None:
            async with self._asking:  # an answer may be on its way
                sitting.end()
            self._keep_running()
        return go_to("/seat")

    def _agreement(self) -> Agreement:
        """Of all answers so far; resampled again only where there are more than before."""
        if self._so_far.answers != len(self.answers.answers):
            self._so_far = person_agreement(compared(self.answers.answers))
        return self._so_far

    def _keep_running(self) -> None:
        running = {
            token: {"visit": sitting.name, "user_id": sitting.user_id}
            for token, sitting in self._visits.items()
            if not sitting.ended
        }
        self._folder.write(RUNNING, running)
