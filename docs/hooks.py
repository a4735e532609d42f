"""What mkdocs does besides: CHANGELOG.md and CONTRIBUTING.md become pages of the site."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand at the root of the repository."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_as_seen_from_docs(text)))
    return files


def _as_seen_from_docs(text: str) -> str:
    """The page with its links to ``docs/…`` and to the other pages of the root as docs has them."""
    text = re.sub(r"\]\(docs/", "](", text)
    for page, source in PAGES.items():
        text = text.replace(f"]({source}", f"]({page}")
    return text
