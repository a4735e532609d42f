"""The HTML observation in a browser: its form sends every action, and nothing of a title runs."""

from __future__ import annotations

import html
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import gymnasium as gym
import pytest

import llmrec_env
from llmrec_env.envs.shop.catalogue import CatalogueBuilder, Product, ProductCatalogue
from llmrec_env.envs.shop.views.rendering import submitted

gym.register_envs(llmrec_env)

NASTY = "<img src=x onerror=alert(1)> \"/></form> &amp; 'tall' lamp"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
WALK = """<script>
const press = (find) => [...document.querySelectorAll("button")].find(find)?.click();
const field = document.querySelector("input[name=search]");
if (field) { field.value = "tall lamp"; press((b) => b.textContent === "Search"); }
else if (document.querySelector(".clicked[value='click[<b>]']"))
  press((b) => b.value === "click[buy now]");
else press((b) => b.value === "click[<b>]" || b.value === "click[evil]");
</script>"""


class Form(HTMLParser):
    """The fields of the one form of a page, and every tag on it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.buttons: list[dict[str, str | None]] = []
        self.fields: list[str | None] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        named = dict(attributes)
        if tag in ("button", "input"):
            assert "form" in self.open
        if tag == "button":
            self.buttons.append(named)
        if tag == "input":
            self.fields.append(named["name"])

    def handle_endtag(self, tag: str) -> None:
        while tag in self.open and self.open.pop() != tag:
            pass


def nasty_shop() -> Any:
    """An environment whose products have markup for a title, for options and values."""
    builder = CatalogueBuilder("test")
    for number in range(3):
        builder.add(
            Product(
                asin="EVIL" if number == 0 else f"P{number}",
                name=NASTY if number == 0 else f"lamp {number}",
                description=NASTY,
                query="lamps",
                options={"<i>": ("<b>", '"x" onclick="y"')},
                attributes=("bright",),
                instruction=f"Find me <u>bright</u> lamps {number}",
                instruction_attributes=("bright",),
            )
        )
    catalogue = builder.build()
    return gym.make("LLMRec/Shop-v0", catalogue=catalogue, split="all", observation="html")


def test_every_button_sends_a_valid_action_and_the_field_a_search(
    small_catalogue: ProductCatalogue,
) -> None:
    env = gym.make("LLMRec/Shop-v0", catalogue=small_catalogue, observation="html")
    seen, info = env.reset(seed=0)
    form = Form(seen)
    assert form.fields == ["search"]
    assert [button.get("name") for button in form.buttons] == [None]  # the field sends the words
    assert info["can_search"]
    seen, _, _, _, info = env.step(submitted({"search": "Long Lasting, face creams"}))
    assert info["action_is_valid"]
    pages = 0
    while "click[buy now]" not in info["valid_actions"]:
        sent = [submitted({str(b["name"]): str(b["value"])}) for b in Form(seen).buttons]
        assert sorted(sent) == sorted(info["valid_actions"])
        opening = next(action for action in sent if action.startswith("click[g"))
        seen, _, _, _, info = env.step(opening)
        pages += 1
    assert pages == 1
    sent = [submitted({str(b["name"]): str(b["value"])}) for b in Form(seen).buttons]
    assert sorted(sent) == sorted(info["valid_actions"])
    _, reward, terminated, _, _ = env.step("click[buy now]")
    assert terminated
    assert 0.0 <= reward <= 1.0


def test_an_empty_submission_is_an_invalid_search() -> None:
    env = nasty_shop()
    env.reset(seed=0)
    assert submitted({}) == "search[]"
    assert not env.step(submitted({"search": "  "}))[4]["action_is_valid"]


def test_texts_of_strangers_make_no_tags() -> None:
    env = nasty_shop()
    seen, _ = env.reset(seed=0)
    known = {"html", "head", "meta", "title", "body", "h4", "form", "input", "button", "p"}
    pages = [seen]
    for action in ("search[tall lamp]", "click[evil]", "click[<b>]", "click[description]"):
        seen, _, _, _, info = env.step(action)
        assert info["action_is_valid"], action
        pages.append(seen)
    for page in pages:
        assert set(Form(page).tags) <= known
        assert len([tag for tag in Form(page).tags if tag == "form"]) == 1
    assert html.escape(NASTY) in pages[2]


@contextmanager
def served(env: Any) -> Iterator[tuple[str, list[str]]]:
    """The environment behind a local address, with the actions that come in."""
    seen, _ = env.reset(seed=0)
    state, actions = {"page": seen}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path != "/":
                self.send_error(404)
                return
            if address.query:
                actions.append(submitted(dict(parse_qsl(address.query))))
                state["page"] = env.step(actions[-1])[0]
            body = state["page"].replace("</body>", WALK + "</body>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", actions
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
def test_a_browser_searches_opens_chooses_and_buys(tmp_path: Path) -> None:
    assert BROWSER is not None
    with served(nasty_shop()) as (address, actions):
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000", address]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert actions == ["search[tall lamp]", "click[evil]", "click[<b>]", "click[buy now]"]
    assert "Your score:" in shown.stdout
    assert 'src="x"' not in shown.stdout
