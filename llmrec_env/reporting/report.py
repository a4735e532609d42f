"""``Report``: collects what a run found, saves it, prints it and renders its page."""

from __future__ import annotations

import dataclasses
import os
import platform
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text as RichText

from llmrec_env.common.errors import DataError, MissingExtraError
from llmrec_env.common.files import local_path, read_json, write_json
from llmrec_env.reporting.elements import Element, Section, Table, clean, from_json, plain, to_json
from llmrec_env.reporting.page import write_page
from llmrec_env.reporting.terminal import print_section

PACKAGES = (
    *("llmrec-env", "gymnasium", "numpy", "torch", "transformers", "peft", "polars"),
    *("stable-baselines3", "sb3-contrib", "d3rlpy"),
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on, where installed."""
    known = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return known


@dataclass
class Report:
    """What a run found, section by section.

    A run folder holds ``config.json`` (the settings, seeds and versions, with which the run can be
    repeated, and the seconds it took) and ``results.json`` (every number behind the page: two runs
    of the same config write the same, but for columns of seconds), beside ``report.html`` and
    ``figures/*.png``, which are made from these two.

    Attributes:
        settings: options of the run, as JSON knows them.
        seeds: named seeds.
        seconds: duration of each stage.
    """

    title: str
    lede: str = ""
    command: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)
    seconds: dict[str, float] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.title, self.lede, self.command = map(clean, (self.title, self.lede, self.command))

    def section(self, title: str, lede: str = "") -> Section:
        """Begin a section."""
        section = Section(clean(title), clean(lede))
        self.sections.append(section)
        return section

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds."""
        return {
            "command": self.command,
            "settings": plain(self.settings),
            "seeds": plain(self.seeds),
            "versions": dict(self.versions),
            "seconds": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
        }

    def table(self, title: str) -> Table:
        """The first table of that title.

        Raises:
            DataError: there is none.
        """
        tables = [e for section in self.sections for e in section.elements if isinstance(e, Table)]
        for table in tables:
            if table.title == title:
                return table
        raise DataError(f"report: no table {title!r} among {[table.title for table in tables]}")

    def save(self, folder: str | os.PathLike[str], page: bool = True) -> Path | None:
        """Write the run folder.

        Args:
            folder: where to; made where it is absent.
            page: also make the page and the figures, which takes a moment.

        Returns:
            The page, or None where none was made. Without the extra ``report`` a warning says what
            to install, and the two JSON files are written all the same.
        """
        folder = local_path(folder)
        write_json(folder / "config.json", self.config, sort_keys=False)
        write_json(folder / "results.json", self._results(), sort_keys=False)
        if not page:
            return None
        try:
            return self.render(folder)
        except MissingExtraError as error:
            warnings.warn(f"no page was made: {error}", stacklevel=2)
            return None

    def render(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``report.html`` and ``figures/*.png``; returns the page.

        Raises:
            MissingExtraError: matplotlib or jinja2 is not installed.
        """
        return write_page(self, local_path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Report:
        """Read a run folder back, to print it or render it again.

        Raises:
            DataError: the folder holds no run, or one of another form.
        """
        path = local_path(folder, "run folder") / "results.json"
        if not path.is_file():
            raise DataError(f"{path}: no such file; expected a run folder that Report.save() wrote")
        results, config = read_json(path), read_json(path.with_name("config.json"))
        try:
            sections = [
                Section(part["title"], part["lede"], list(from_json(part["elements"])))
                for part in results["sections"]
            ]
            return cls(results["title"], results["lede"], **config, sections=sections)
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: not the results of a run of this version: {error}") from None

    def print(self, console: Console | None = None, only: Collection[str] | None = None) -> None:
        """Show the same sections in the terminal.

        Whoever sees them gave the command, so it does not stand below each table.

        Args:
            console: where to.
            only: titles of the sections to show; None: all.
        """
        console = console or Console()
        console.print()
        console.print(RichText(self.title, style="bold"))
        for number, section in enumerate(self.sections, start=1):
            if only is None or section.title in only:
                elements = [self._without_command(element) for element in section.elements]
                print_section(console, number, section.title, section.lede, elements)

    def _without_command(self, element: Element) -> Element:
        repeats = isinstance(element, Table) and element.command == self.command
        return dataclasses.replace(element, command="") if repeats else element  # type: ignore[call-arg]

    def _results(self) -> dict[str, Any]:
        sections = [
            {"title": part.title, "lede": part.lede, "elements": to_json(part.elements)}
            for part in self.sections
        ]
        return {"title": self.title, "lede": self.lede, "sections": sections}
