"""What importing costs, and the floors of the house: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.core
ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "peft", "d3rlpy", "stable_baselines3", "matplotlib", "ray")

GROUND = {"common", "data"}
LIBRARY = GROUND | {"language", "users", "offline", "envs", "evaluation"}
MAY_IMPORT = {
    "common": set(),
    "data": {"common"},
    "language": GROUND,
    "users": GROUND | {"language"},
    "offline": GROUND | {"language", "users"},
    "envs": GROUND | {"users"},
    "evaluation": GROUND | {"users", "offline", "envs"},
    "reporting": {"common"},
    "agents": LIBRARY,
    "experiments": LIBRARY | {"reporting", "agents"},
    "web": LIBRARY | {"agents"},
    "cli": LIBRARY | {"reporting", "agents", "experiments", "web"},
    "llmrec_env": LIBRARY,
}
"""Each room with those below it; ``llmrec_env`` is the package's own front door."""
ENVS_MAY_IMPORT = {
    "common": set(),
    "text": {"common"},
    "shop": {"common", "text"},
    "next_item": {"common"},
    "slate": {"common", "next_item"},
    "wrappers": {"common", "text", "next_item", "slate"},
    "language_agents": {"common", "text", "shop", "next_item", "wrappers"},
}
"""The same within ``envs``; files that stand beside these may read all of them."""
FOREIGN = {"data": {"torch", "transformers"}, "envs": {"transformers", "peft"}}
"""Packages that a room must not know."""

SOURCES = sorted([*(ROOT / "llmrec_env").rglob("*.py"), *(ROOT / "agents").rglob("*.py")])


def module_name(path: Path) -> str:
    """``llmrec_env/data/log.py`` as ``llmrec_env.data.log``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def room(module: str) -> str:
    """The room that a module stands in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "llmrec_env" and len(parts) > 1 else parts[0]


def imports(module: str, lazy: bool = True) -> Iterator[str]:
    """What a module imports; with ``lazy`` also inside functions and for types only."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree) if lazy else iter(tree.body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def printed_by(code: str) -> str:
    """What a fresh interpreter prints for a line of code."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import llmrec_env, sys; print([m for m in {HEAVY} if m in sys.modules])"
    assert printed_by(code) == "[]"


def test_making_the_embedded_environment_imports_no_transformers() -> None:
    code = (
        "import sys, gymnasium, llmrec_env; "
        "gymnasium.make('LLMRec/NextItem-v1').reset(seed=0); "
        "print([name for name in ('transformers', 'peft') if name in sys.modules])"
    )
    assert printed_by(code) == "[]"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_room_imports_only_what_stands_below_it(module: str) -> None:
    here = room(module)
    known = set(imports(module))
    foreign = {name.split(".")[0] for name in known} & FOREIGN.get(here, set())
    assert not foreign, f"{module} must not import {foreign}"
    rooms = {room(name) for name in known if name.split(".")[0] in ("llmrec_env", "agents")}
    above = rooms - MAY_IMPORT[here] - {here}
    assert not above, f"{module} ({here}) imports from {above}; data flows upward only"


@pytest.mark.parametrize("inner", ENVS_MAY_IMPORT)
def test_inside_envs_too_a_room_imports_only_what_stands_below_it(inner: str) -> None:
    home = "llmrec_env.envs"
    for module in MODULES:
        if module.startswith(f"{home}.{inner}."):
            known = {name for name in imports(module) if name.startswith(f"{home}.")}
            above = {name.split(".")[2] for name in known} - ENVS_MAY_IMPORT[inner] - {inner}
            assert not above, f"{module} imports from {above} of {home}"


def test_relative_imports_do_not_hide_arrows() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), module


def test_there_is_no_circle_of_files_not_even_for_types_or_inside_functions() -> None:
    graph = {
        module: {name for name in imports(module) if name in MODULES and name != module}
        for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("folder", ["benchmarks", "examples"])
def test_no_script_hides_a_package(folder: str) -> None:
    """A script's own folder comes first where Python looks for what it imports."""
    names = {path.stem for path in (ROOT / folder).iterdir()}
    assert not names & {"agents", "llmrec_env", *sys.stdlib_module_names}
