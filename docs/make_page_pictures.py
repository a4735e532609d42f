"""Take the pictures of the pages in a browser, each with its numbers in a JSON file beside it.

    python docs/make_page_pictures.py

A visitor shops for a goal of the generated shop, and sits in the place of a user of the generated
world, answering as that user does. It needs Chromium and the extras ``serve``, ``browser`` and
``shop``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import llmrec_env
from agents.shop.rollouts import collect_rollouts, load_rollouts
from agents.shop.shop_pool import shop_of
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.policies import PreferencePolicy
from llmrec_env.evaluation.stochastic import EpsilonGreedy
from llmrec_env.users.language import embedded_user
from llmrec_env.users.true_taste import TrueTasteUser
from llmrec_env.web.seat.person import PersonUser
from llmrec_env.web.seat.site import SeatSite
from llmrec_env.web.seat.sitting import Seat
from llmrec_env.web.serving import served
from llmrec_env.web.shop.contest import contestants
from llmrec_env.web.shop.site import ShopSite
from llmrec_env.web.shop.trajectories import Trajectories

sys.path.insert(0, str(Path(__file__).resolve().parent))
from make_pictures import PICTURES, sign, write_json

COMMAND = {"command": "python docs/make_page_pictures.py"}
SHOP = {"split": "train"}
GOAL, WORDS = 4030, "heavy duty security cameras"
USER, ITEMS = "u01204", 20
PHONE = {"width": 400, "height": 800}
GAP, GROUND = 16, (208, 205, 197)
COLOURS = 128
"""Of a picture's palette: pages have few, and so it stays small."""


def press(page: Page, what: str) -> None:
    """Click what leads to another page, and wait for that."""
    with page.expect_navigation():
        page.click(what)


def shot(page: Page) -> Image.Image:
    """What stands on the screen."""
    return Image.open(BytesIO(page.screenshot()))


def beside(shots: list[Image.Image], picture: Path, numbers: dict[str, Any]) -> None:
    """Put screens beside one another into a file, with the numbers that they show."""
    width = sum(one.width + GAP for one in shots) + GAP
    sheet = Image.new("RGB", (width, shots[0].height + 2 * GAP), GROUND)
    for place, one in enumerate(shots):
        sheet.paste(one, (GAP + place * (one.width + GAP), GAP))
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)
    sign(picture, numbers)
    write_json(picture.with_suffix(".json"), numbers)


def draw_shop(page: Page, folder: Path) -> None:
    """A whole episode: results, the product with its options, the end."""
    site = ShopSite(SHOP, Trajectories(RunFolder.claim(folder, "shop serve", SHOP)), seed=0)
    goal = shop_of(SHOP).goals[GOAL]
    with served(site.application()) as address:
        page.goto(address)
        page.fill("input[name=goal]", str(GOAL))
        press(page, "text=Begin")
        page.fill("input[name=search]", WORDS)
        press(page, "text=Search >> nth=0")
        shots = [shot(page)]
        while not page.locator(wanted := f'button[value="click[{goal.asin.lower()}]"]').count():
            press(page, "text=Next page")
        press(page, wanted)
        assert isinstance(goal.options, dict)
        for value in goal.options.values():
            press(page, f'button[value="click[{value}]"]')
        shots.append(shot(page))
        press(page, "text=Buy now")
        page.locator("h2", has_text="How agents did").evaluate("e => e.scrollIntoView()")
        page.evaluate("scrollBy(0, -130)")
        shots.append(shot(page))
    (person,) = load_rollouts(folder / "rollouts.json")
    rollouts = {
        one.name: collect_rollouts(one.agent, SHOP, [GOAL])[0]
        for one in contestants(shop_of(SHOP), {})
    }
    numbers = {name: asdict(rollout) for name, rollout in {"person": person, **rollouts}.items()}
    beside(shots, PICTURES / "shop_pages.png", COMMAND | numbers)


class TrueUser:
    """Answers as the user of the generated world does who has this history.

    Args:
        user_id: who.
    """

    def __init__(self, user_id: str) -> None:
        simulator = TrueTasteUser(llmrec_env.generate_world())
        users = simulator.users
        user = users.user_index(user_id)
        history = InitialHistories(users).history(user)
        self._places = {title: place for place, title in enumerate(simulator.catalogue.titles)}
        self._session = simulator.open([history], np.array([user]))
        self._luck = np.random.default_rng(0)

    def answer(self, title: str) -> tuple[bool, int]:
        """Whether an item is taken, and the liking in stars."""
        said = self._session.respond(np.array([self._places[title]]))
        taken = self._luck.random() < said.accept_probability[0]
        self._session.commit(np.array([taken]))
        return bool(taken), 1 + round(4 * float(said.reward[0]))


def draw_seat(page: Page, folder: Path) -> None:
    """A whole visit: an item beside what was said of the last one, and the end."""
    users = embedded_user()
    policy = EpsilonGreedy(PreferencePolicy(users), 0.3)
    seat = Seat(PersonUser(users), policy, "own", ITEMS)
    site = SeatSite(seat, RunFolder.claim(folder, "serve", {}), "Users of the generated world")
    person, shots = TrueUser(USER), []
    with served(site.application()) as address:
        page.goto(address)
        page.fill("input[name=user]", USER)
        press(page, "text=Sit down")
        for step in range(ITEMS):
            taken, liking = person.answer(page.inner_text("h1"))
            page.check(f"input[name=liking][value='{liking}']", force=True)
            if step in (0, 2):
                shots.append(shot(page))
            press(page, "text=Take it" if taken else "text=Skip it")
        shots.append(shot(page))
    answers = [asdict(answer) | {"at": ""} for answer in site.answers.answers]
    beside(shots, PICTURES / "seat.png", COMMAND | {"answers": answers})


def main() -> None:
    """Take both pictures."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("this needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        browser = driver.chromium.launch(executable_path=program, args=options)
        page = browser.new_page(viewport=PHONE)
        draw_shop(page, Path(folder) / "shop")
        draw_seat(page, Path(folder) / "seat")
        browser.close()


if __name__ == "__main__":
    main()
