"""Draw the pictures of README and site, each with its numbers in a JSON file beside it.

    python docs/make_pictures.py episode
    python docs/make_pictures.py report runs/demo
    python docs/make_pictures.py scale runs/scale/rows.json
    python docs/make_pictures.py shop runs/shop_protocol/rows.json

``episode`` lets the embedded user answer a recommender (item-kNN, every third item at random) and
draws the episode as a moving SVG. ``report`` takes the picture of the page that ``llmrec demo``
wrote (it needs Chromium), and keeps the run's numbers in ``docs/results/demo/world.json``.
``scale`` draws what ``benchmarks/scale.py`` measured, ``shop`` what ``benchmarks/shop_protocol.py``
did. Pictures go to ``docs/pictures``.
"""

from __future__ import annotations

import argparse
import json
import runpy
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import llmrec_env
from llmrec_env.common.help import HelpFormatter
from llmrec_env.data.splits import split_by_user
from llmrec_env.evaluation.ranking import ItemKNN

PICTURES = Path(__file__).resolve().parent / "pictures"
SEED, STEPS = 10, 12
SECONDS_A_STEP, SECONDS_AT_THE_END, SECONDS_AT_FIRST = 1.3, 5.0, 2.0
"""The last is for how long all of it is seen before it begins: a still picture shows everything."""
WIDTH, TOP, ROW = 760, 138, 34
STYLE = """
text { font: 14px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #e2e8f0 }
.head { font-size: 17px; font-weight: 600 } .dim { fill: #94a3b8 } .small { font-size: 12.5px }
.number { font-family: ui-monospace, 'Cascadia Mono', Menlo, monospace; font-size: 13px }
.took { fill: #4ade80 } .skip { fill: #fb923c } .bar { fill: #6366f1 } .track { fill: #334155 }
@media (prefers-reduced-motion: reduce) { g { animation: none !important } }
"""


def play(seed: int = SEED, steps: int = STEPS) -> dict[str, Any]:
    """One episode: who the user is, what they had taken, and every item, reward and answer."""
    train = split_by_user(llmrec_env.generate_world().log).train
    ranker = ItemKNN(train)
    gym.register_envs(llmrec_env)
    env = gym.make("LLMRec/NextItem-v1", observation="history")
    titles, nothing = train.catalogue.titles, len(train.catalogue)
    generator = np.random.default_rng(seed)
    history, info = env.reset(seed=seed)
    episode: dict[str, Any] = {
        "command": "python docs/make_pictures.py episode",
        "user": info["user_id"],
        "learned from": train.n_users,
        "history": [titles[item] for item in history if item < nothing][-3:],
        "steps": [],
    }
    for number in range(steps):
        at_random = number % 3 == 2
        taken = history[history < nothing]
        scores = ranker.score_steps([np.append(taken, 0)])[-1]
        scores = generator.random(nothing) if at_random else scores
        item = int(np.where(info["action_mask"], scores, -np.inf).argmax())
        history, reward, terminated, _, info = env.step(item)
        answer = {"title": info["title"], "reward": round(reward, 2), "took": info["accepted"]}
        answer["chosen by"] = "random" if at_random else "item-kNN"
        episode["steps"].append({name: _plain(value) for name, value in answer.items()})
        if terminated:
            break
    episode["return"] = round(sum(step["reward"] for step in episode["steps"]), 2)
    return episode


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def drawn(episode: dict[str, Any]) -> str:
    """The episode as a moving SVG; where nothing moves, all of it is seen at once."""
    steps = episode["steps"]
    seconds = len(steps) * SECONDS_A_STEP + SECONDS_AT_THE_END
    height = TOP + ROW * len(steps) + 46
    rules, rows = [], []
    patience = 5
    for number, step in enumerate(steps):
        patience = 5 if step["took"] else patience - 1
        for part, later in (("shown", 0.0), ("answer", 0.5)):
            start = 100 * (number * SECONDS_A_STEP + 0.4 + later) / seconds
            name = f"{part}{number}"
            rules.append(
                f"@keyframes {name} {{ 0%, {start:.2f}% {{ opacity: 0 }} "
                f"{start + 1.2:.2f}%, 100% {{ opacity: 1 }} }} "
                f"#{name} {{ animation: {name} {seconds:.1f}s infinite; "
                f"animation-delay: -{seconds - SECONDS_AT_FIRST:.1f}s }}"
            )
        rows.append(_row(number, step, patience))
    left = patience == 0
    end = (
        f"{'The user left.' if left else 'The user is still here.'} Return {episode['return']:.2f}"
    )
    rows[-1] = rows[-1].removesuffix("</g>") + _text(28, height - 20, end, "dim") + "\n</g>"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" '
            f'aria-label="A simulated user answers what is recommended">',
            f"<style>{STYLE}{chr(10).join(rules)}</style>",
            f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="14" '
            'fill="#0f172a" stroke="#475569"/>',
            _text(28, 38, f"User {episode['user']}, played by a language model", "head"),
            _text(
                28,
                60,
                f"It learned from {episode['learned from']:,} other users. "
                "Item-kNN recommends; every third item is random.",
                "dim small",
            ),
            _text(28, 88, "had taken: " + " · ".join(episode["history"]), "small"),
            _text(62, 120, "shown", "dim small"),
            _text(300, 120, "chosen by", "dim small"),
            _text(392, 120, "liking = reward", "dim small"),
            _text(560, 120, "answer", "dim small"),
            _text(650, 120, "patience", "dim small"),
            *rows,
            "</svg>\n",
        ]
    )


def _row(number: int, step: dict[str, Any], patience: int) -> str:
    y = TOP + ROW * number
    kind, word = ("took", "✓ took it") if step["took"] else ("skip", "✗ skipped")
    width = 110 * step["reward"]
    return "\n".join(
        [
            f'<g id="shown{number}">',
            _text(28, y + 14, f"{number + 1:>2}", "dim number"),
            _text(62, y + 14, step["title"]),
            _text(300, y + 14, step["chosen by"], "dim small"),
            "</g>",
            f'<g id="answer{number}">',
            f'<rect class="track" x="392" y="{y + 4}" width="110" height="11" rx="5"/>',
            f'<rect class="bar" x="392" y="{y + 4}" width="{width:.0f}" height="11" rx="5"/>',
            _text(510, y + 14, f"{step['reward']:.2f}", "number"),
            _text(560, y + 14, word, kind),
            _text(650, y + 14, "●" * patience + "○" * (5 - patience), kind),
            "</g>",
        ]
    )


def _text(x: int, y: int, words: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(words)}</text>'


def numbers_of(results: dict[str, Any]) -> dict[str, Any]:
    """What the picture of a demo's page shows: its findings, its log, and who the users are."""
    sections = {section["title"]: section["elements"] for section in results["sections"]}
    findings = [
        {name: element[name] for name in ("claim", "holds", "evidence")}
        for element in sections["In short"]
        if element["@"] == "Finding"
    ]
    facts = [e["values"] for e in sections["The log"] if e["@"] == "Facts"]
    return {"findings": findings, "log": facts[0]}


def photograph(page: Path, picture: Path, height: int = 1340) -> None:
    """Take the picture of the upper part of a page with Chromium."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("this needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
        command += ["--no-first-run", "--disable-background-networking", "--hide-scrollbars"]
        command += ["--disable-component-update", "--disable-sync", f"--user-data-dir={profile}"]
        command += [f"--window-size=1100,{height}", f"--screenshot={picture}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


def sign(picture: Path, numbers: dict[str, Any]) -> None:
    """Write the numbers that a PNG shows into it, so that a test sees which ones it was made of."""
    text = PngInfo()
    text.add_text("numbers", json.dumps(numbers))
    with Image.open(picture) as image:
        image.save(picture, pnginfo=text, optimize=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Readable JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def draw_episode() -> None:
    """Play the episode and draw it."""
    episode = play()
    (PICTURES / "episode.svg").write_text(drawn(episode), encoding="utf-8")
    write_json(PICTURES / "episode.json", episode)


def draw_report(run: Path) -> None:
    """Take the picture of the page in the run folder of a demo."""
    photograph(run / "report.html", PICTURES / "report.png")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    command = {"command": "llmrec demo && python docs/make_pictures.py report runs/demo"}
    numbers = command | numbers_of(results)
    sign(PICTURES / "report.png", numbers)
    write_json(PICTURES / "report.json", numbers)
    write_json(PICTURES.parent / "results" / "demo" / "world.json", results)


def draw_scale(measured: Path) -> None:
    """Draw the rows that the benchmark of growth wrote."""
    benchmark = PICTURES.parents[1] / "benchmarks"
    sys.path.insert(0, str(benchmark))  # it imports what stands beside it
    plot = runpy.run_path(str(benchmark / "scale.py"))["plot"]
    numbers = {
        "command": "python benchmarks/scale.py "
        "&& python docs/make_pictures.py scale runs/scale/rows.json",
        "rows": json.loads(measured.read_text(encoding="utf-8")),
    }
    plot(numbers["rows"], PICTURES / "scale.png")
    sign(PICTURES / "scale.png", numbers)
    write_json(PICTURES / "scale.json", numbers)


def draw_shop(measured: Path) -> None:
    """Draw how draws of goals scatter, from what the benchmark of the shop's protocol wrote."""
    benchmark = runpy.run_path(str(PICTURES.parents[1] / "benchmarks" / "shop_protocol.py"))
    numbers = {
        "command": "python benchmarks/shop_protocol.py --data path/to/webshop "
        "&& python docs/make_pictures.py shop runs/shop_protocol/rows.json",
        "rows": json.loads(measured.read_text(encoding="utf-8")),
    }
    (PICTURES / "shop_draws.png").write_bytes(
        benchmark["png"](benchmark["picture"](numbers["rows"]))
    )
    sign(PICTURES / "shop_draws.png", numbers)
    write_json(PICTURES / "shop_draws.json", numbers)


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument(
        "picture", choices=["episode", "report", "scale", "shop"], help="which picture"
    )
    parser.add_argument("of", nargs="?", type=Path, help="what a program wrote: see above")
    given = parser.parse_args()
    if given.picture == "episode":
        draw_episode()
    elif given.picture == "report":
        draw_report((given.of or Path("runs/demo")).resolve())
    elif given.picture == "shop":
        draw_shop(given.of or Path("runs/shop_protocol/rows.json"))
    else:
        draw_scale(given.of or Path("runs/scale/rows.json"))


if __name__ == "__main__":
    main()
