"""Commands as a person types them."""

from __future__ import annotations

from typer.testing import CliRunner

from llmrec_env.cli import app

runner = CliRunner()


def run(*arguments: str) -> str:
    """What a command prints; it must succeed."""
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output
