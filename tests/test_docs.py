"""Every code block of the README and the docs runs, in order, as a reader would run it; links and
names are those of something that exists. ``make docs`` builds the site and checks its links again.

Python blocks of a page share one namespace, and all blocks of a page share one folder. ``bash`` and
``console`` blocks run in bash. A block that takes too long for a test, or installs, stands under
``<!-- not run: the reason -->``; its commands are checked against what exists: the command line's
own options, files, make targets and extras.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from accelerate.commands.launch import launch_command_parser

import agents
import llmrec_env
from llmrec_env.cli import app

ROOT = Path(__file__).resolve().parents[1]
AT_THE_ROOT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*AT_THE_ROOT, *sorted((ROOT / "docs").rglob("*.md"))]
SHELLS = ("bash", "console")
NOT_CODE = ("text", "bibtex", "mermaid", "json", "toml", "yaml", "csv")
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+?) -->\s*\n)?"
    r"^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=indent)```\s*$",
    re.MULTILINE | re.DOTALL,
)


LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
NAMED = re.compile(
    r"`((?:llmrec_env|agents|tests|benchmarks|examples|docs)/[\w./-]+|[\w-]+/[\w./-]+\.py)`"
)


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, what it is, and why it is not run (if it is not)."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command; ``&&`` and line ends part commands."""
        text = self.script.replace("\\\n", " ").replace("&&", "\n")
        return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]

    @property
    def script(self) -> str:
        """The code as bash takes it; of a console only what stands behind the prompt."""
        if self.language == "bash":
            return self.code
        prompts = [line[2:] for line in self.code.splitlines() if line.startswith("$ ")]
        return "\n".join(prompts)


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        indent = len(match["indent"])
        code = "".join(line[indent:] or "\n" for line in match["code"].splitlines(keepends=True))
        line = text.count("\n", 0, match.start("code")) + 1
        found.append(Block(page, line, match["language"].strip(), code, match["reason"]))
    return found


def page_name(page: Path) -> str:
    """The page as a test's id."""
    return str(page.relative_to(ROOT))


BLOCKS = [block for page in PAGES if page.is_file() for block in blocks_of(page)]
UNRUN = [block for block in BLOCKS if block.reason]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the checkout, in which a page may write."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and entry.name not in ("runs", "report.html"):
            (checkout / entry.name).symlink_to(entry)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return checkout


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=page_name)
@pytest.mark.usefixtures("folder")
def test_the_blocks_of_a_page_run(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.reason or block.language in NOT_CODE:
            continue
        if block.language == "python":
            source = (
                "\n" * (block.line - 1) + block.code
            )  # so that a traceback names the page's line
            exec(compile(source, str(page), "exec"), namespace)
        else:
            subprocess.run(["bash", "-euo", "pipefail", "-c", block.script], check=True)


def test_the_pages_are_there_and_every_block_says_what_it_is() -> None:
    assert (ROOT / "README.md") in {block.page for block in BLOCKS}
    for block in BLOCKS:
        known = block.language in ("python", *SHELLS, *NOT_CODE)
        assert known, f"{page_name(block.page)}:{block.line}: {block.language!r}"
    for page in PAGES:
        fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(fences) == 2 * len(blocks_of(page)), f"{page}: a fence is not closed"


@pytest.mark.parametrize("block", UNRUN, ids=lambda b: f"{page_name(b.page)}:{b.line}")
def test_what_is_not_run_names_only_what_exists(block: Block) -> None:
    if block.language == "python":
        ast.parse(block.code)
        return
    for words in block.commands:
        check_command(words)


def anchors_of(page: Path) -> set[str]:
    """The anchors that a page's headings make, on a code host and on the site alike."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    bare = [re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in bare}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_to_pages_and_headings_that_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in LINK.finditer(text):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), f"{page_name(page)} links to {link['path']}"
        if link["anchor"]:
            assert link["anchor"] in anchors_of(target), f"{page_name(page)}: #{link['anchor']}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    for name in NAMED.findall(page.read_text(encoding="utf-8")):
        path = name.split("::")[0]
        assert (ROOT / path).exists() or "NAME" in path, f"{page_name(page)} names {name}"


def test_no_page_points_outside_the_repository() -> None:
    for page in PAGES:
        assert "../shared" not in page.read_text(encoding="utf-8"), page_name(page)


def test_the_reference_has_every_public_name() -> None:
    reference = "".join(
        page.read_text(encoding="utf-8") for page in PAGES if page.match("docs/*/*")
    )
    documented = set(re.findall(r"^::: (\S+)$", reference, re.MULTILINE))
    for package in (llmrec_env, agents):
        for name in package.__all__:
            value = getattr(package, name)
            if callable(value):
                assert f"{value.__module__}.{value.__name__}" in documented, name


def check_command(words: list[str]) -> None:
    """Check one command line against what the project has."""
    program, *arguments = [word for word in words if not re.fullmatch(r"[A-Z_]+=.*", word)]
    match Path(program).name, arguments:
        case "llmrec", [name, *options]:
            check_options(name, options)
        case "accelerate", ["launch", *options]:
            given = launch_command_parser().parse_args(options)
            assert (given.module, given.training_script) == (True, "llmrec_env.cli")
            check_options(given.training_script_args[0], given.training_script_args[1:])
        case "pip", ["install", *options]:
            check_install(options)
        case "make", targets:
            subprocess.run(["make", "-n", *targets], cwd=ROOT, check=True, capture_output=True)
        case (("python" | "python3"), ["-m", "venv", _]):
            pass
        case (("python" | "python3"), [script, *options]) if script.endswith(".py"):
            source = (ROOT / script).read_text(encoding="utf-8")
            for option in flags(options):
                assert option in source or option[2:].replace("-", "_") in source, option
        case "pytest", _:
            pass
        case "pre-commit", ["install"]:
            assert (ROOT / ".pre-commit-config.yaml").is_file()
        case _:
            pytest.fail(f"no rule checks this command: {shlex.join(words)}")


def flags(words: list[str]) -> list[str]:
    """The options among the words of a command."""
    return [word.split("=")[0] for word in words if word.startswith("-")]


def check_options(name: str, words: list[str]) -> None:
    """``llmrec NAME``, or ``llmrec GROUP NAME``, exists and knows the options."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert name in commands, f"llmrec {name}: expected one of {sorted(commands)}"
    group = hasattr(commands[name], "commands")
    if group and not (words and words[0].startswith("-")):  # or the group's own options
        commands, (name, *words) = commands[name].commands, words
        assert name in commands, f"{name}: expected one of {sorted(commands)}"
    known = {o for option in commands[name].params for o in (*option.opts, *option.secondary_opts)}
    unknown = set(flags(words)) - known - {"--help"}
    assert not unknown, f"llmrec {name} knows no {unknown}"


def check_install(words: list[str]) -> None:
    """The constraints file and the extras exist."""
    if "-c" in words:
        assert (ROOT / words[words.index("-c") + 1]).is_file()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in ",".join(re.findall(r"\[(.+?)\]", " ".join(words))).split(","):
        assert not extra or re.search(rf"^{extra} = \[", project, re.MULTILINE), extra
