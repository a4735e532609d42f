"""What importing costs, and the floors of the house: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.core
ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "peft", "d3rlpy", "stable_baselines3", "matplotlib", "ray")

GROUND = {"common", "data"}
DOORS = {"envs", "offline"}
MAY_IMPORT = {
    "common": set(),
    "data": {"common"},
    "language": GROUND,
    "users": GROUND | {"language"},
    "envs": GROUND | {"users"},
    "offline": GROUND | {"users"},
    "shop": GROUND | {"envs"},
    "evaluation": GROUND | {"users"} | DOORS,
    "reporting": GROUND | {"users", "evaluation"} | DOORS,
    "agents": GROUND | {"language", "users", "evaluation", "shop"} | DOORS,
}
FOREIGN = {"data": {"torch", "transformers"}, "envs": {"transformers", "peft"}}
FOREIGN["shop"] = {"torch", *FOREIGN["envs"]}
"""Packages that a floor must not know."""

SOURCES = sorted([*(ROOT / "llmrec_env").rglob("*.py"), *(ROOT / "agents").rglob("*.py")])


def module_name(path: Path) -> str:
    """``llmrec_env/data/log.py`` as ``llmrec_env.data.log``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def room(module: str) -> str:
    """The floor that a module stands on; ``top`` for the command line and its steps."""
    parts = module.split(".")
    if module.startswith("llmrec_env.experiments.study"):
        return "top"  # a study looks at everything, as the demo does
    name = parts[0] if parts[0] != "llmrec_env" else (parts[1] if len(parts) > 1 else "top")
    return name if name in MAY_IMPORT else "top"


def imports(path: Path, lazy: bool) -> Iterator[str]:
    """Modules that a file imports; with ``lazy`` also inside functions and for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if lazy else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import llmrec_env, sys; print([m for m in {HEAVY} if m in sys.modules])"
    assert printed_by(code) == "[]"


def test_making_the_embedded_environment_imports_no_transformers() -> None:
    code = (
        "import sys, gymnasium, llmrec_env; "
        "gymnasium.make('LLMRec/NextItem-v0').reset(seed=0); "
        "print([name for name in ('transformers', 'peft') if name in sys.modules])"
    )
    assert printed_by(code) == "[]"


def printed_by(code: str) -> str:
    """What a fresh interpreter prints for a line of code."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_floor_imports_only_what_stands_below_it(module: str) -> None:
    here = room(module)
    known = set(imports(MODULES[module], lazy=True))
    foreign = {name.split(".")[0] for name in known} & FOREIGN.get(here, set())
    assert not foreign, f"{module} must not import {foreign}"
    rooms = {room(name) for name in known if name.split(".")[0] in ("llmrec_env", "agents")}
    if here != "top":
        above = rooms - MAY_IMPORT[here] - {here}
        assert not above, f"{module} ({here}) imports from {above}; data flows upward only"


def test_relative_imports_do_not_hide_arrows() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), module


def test_agents_are_imported_lazily_by_the_command_line() -> None:
    for module, path in MODULES.items():
        if module.startswith("llmrec_env"):
            eager = {name.split(".")[0] for name in imports(path, lazy=False)}
            assert "agents" not in eager, module


def test_no_two_modules_need_each_other_to_load() -> None:
    graph = {
        module: {name for name in imports(path, lazy=False) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    TopologicalSorter(graph).prepare()
