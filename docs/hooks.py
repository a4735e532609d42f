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
        files.append(File.generated(config, page, content=text.replace("](docs/", "](")))
    return files


def on_page_markdown(markdown: str, **kwargs: object) -> str:
    """Links to those pages as the site has them: ``../CHANGELOG.md`` is ``changelog.md`` there."""
    for page, source in PAGES.items():
        markdown = re.sub(rf"\]\(((?:\.\./)*)\.\./{source}", rf"](\1{page}", markdown)
        markdown = markdown.replace(f"]({source}", f"]({page}")
    return markdown
