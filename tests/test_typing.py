"""What a type checker sees of the public names, and that they exist when a program runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import agents
import llmrec_env

ROOT = Path(__file__).resolve().parents[1]
NAMES = {**dict.fromkeys(llmrec_env.__all__, llmrec_env), **dict.fromkeys(agents.__all__, agents)}
SETTINGS = """
[mypy]
strict = True
follow_imports = silent
ignore_missing_imports = True
[mypy-torch.*,transformers.*,peft.*,accelerate.*]
follow_imports = skip
"""
"""As strict as a user may be; what is skipped takes mypy a minute to read."""
PROGRAM = """
import gymnasium as gym

import llmrec_env
from agents import Recommender, RecommenderConfig

gym.register_envs(llmrec_env)
env = gym.make("LLMRec/NextItem-v1", autoreset="same_step")
users = gym.make_vec("LLMRec/NextItem-v1", num_envs=4)
observation, info = env.reset(seed=0)
world = llmrec_env.generate_world(seed=0, n_items=50, n_users=30)
recommender = Recommender(RecommenderConfig.of("gru4rec", epochs=1))
recommender.fit(world.log)
metrics: dict[str, float] = llmrec_env.evaluate_ranking(recommender, world.log)
"""
MISTAKES = """
import agents
import llmrec_env
from llmrec_env import LanguageUsr

llmrec_env.Catalog
agents.Recomender
llmrec_env.load(path=3)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of a user's files."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("user")
    asked = [f"reveal_type({module.__name__}.{name})" for name, module in NAMES.items()]
    readme = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    files = {
        "mypy.ini": SETTINGS,
        "program.py": PROGRAM,
        "mistakes.py": MISTAKES,
        "readme.py": "\n".join(readme),
        "names.py": "\n".join(["import agents, llmrec_env", *asked]),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", *(name for name in files if name != "mypy.ini")]
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout.splitlines()


@pytest.mark.slow
def test_a_type_checker_knows_every_public_name(told: list[str]) -> None:
    lines = [line for line in told if line.startswith("names.py")]
    types = dict(
        zip(NAMES, [re.findall(r'type is "(.*)"', line)[0] for line in lines], strict=True)
    )
    assert types.pop("__version__") == "str"
    unknown = {name: type_ for name, type_ in types.items() if not type_.startswith("def (")}
    assert not unknown
    for name, module in NAMES.items():
        value = getattr(module, name)
        if isinstance(value, type):
            assert f"{value.__module__}.{name}" in types[name].split("-> ")[-1]


@pytest.mark.slow
def test_a_type_checker_accepts_a_users_program(told: list[str]) -> None:
    assert not [line for line in told if line.startswith("program.py")]


@pytest.mark.slow
def test_a_type_checker_accepts_the_blocks_of_the_readme(told: list[str]) -> None:
    assert not [line for line in told if line.startswith("readme.py")]


@pytest.mark.slow
def test_a_type_checker_refuses_a_misspelt_name_and_a_wrong_type(told: list[str]) -> None:
    mistakes = [line for line in told if line.startswith("mistakes.py")]
    for said in (
        '"llmrec_env" has no attribute "LanguageUsr"; maybe "LanguageUser"',
        'has no attribute "Catalog"; maybe "Catalogue"',
        'has no attribute "Recomender"; maybe "Recommender"',
        'Argument "path" to "load" has incompatible type "int"',
    ):
        assert any(said in line for line in mistakes), (said, mistakes)


def test_every_public_name_is_documented_and_there_when_a_program_runs() -> None:
    pytest.importorskip("stable_baselines3")
    for name, module in NAMES.items():
        assert getattr(module, name) is not None
        assert name in dir(module)
        assert name == "__version__" or f"``{name}``" in str(module.__doc__)
    with pytest.raises(AttributeError, match="has no attribute 'Catalog'"):
        llmrec_env.Catalog  # type: ignore[attr-defined]  # noqa: B018


def test_one_version_everywhere() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited is not None
    assert cited[1] == llmrec_env.__version__
    assert f"## [{llmrec_env.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
