"""Every example runs, with small numbers, and prints what its first lines promise."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PROGRAMS = [*EXAMPLES.rglob("*.py"), *EXAMPLES.with_name("benchmarks").glob("*.py")]
TRUE = ("--id", "LLMRec/TrueTaste-v1")
Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run an example as ``python examples/NAME OPTIONS`` would; returns what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))

    def run(name: str, *options: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *options])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.core
def test_help_tells_every_option_and_its_default() -> None:
    """By the source: to import them all takes minutes."""
    needed = {"ArgumentParser": "formatter_class", "add_argument": "help"}
    silent = [
        f"{program.name}, line {node.lineno}"
        for program in PROGRAMS
        for node in ast.walk(ast.parse(program.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in needed
        and needed[node.func.attr] not in {keyword.arg for keyword in node.keywords}
    ]
    assert not silent


@pytest.mark.core
def test_help_tells_no_default_where_there_is_none(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run("cleanrl_ppo.py", "--help")
    printed = " ".join(capsys.readouterr().out.split())
    assert "the environment (default: LLMRec/NextItem-v1)" in printed
    assert "how many environments become one --steps" in printed
    unset = [
        f"{program.name}, line {node.lineno}"
        for program in PROGRAMS  # by the source, as above
        if "ArgumentDefaultsHelpFormatter" in program.read_text()
        for node in ast.walk(ast.parse(program.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") == "add_argument"
        and ast.unparse(node.args[0]).startswith("'-")
        and not {"default", "action"} & {keyword.arg for keyword in node.keywords}
        and "argparse.SUPPRESS" not in ast.unparse(node)
    ]
    assert not unset, "HelpFormatter tells no default of None"


@pytest.mark.core
def test_quickstart(run: Run) -> None:
    printed = run("quickstart.py", "--steps", "3")
    assert printed.count("  shown   ") == 3
    assert "patience" in printed
    earned = float(re.search(r"^return (\S+) ·", printed, re.MULTILINE)[1])
    liked = [float(reward) for reward in re.findall(r"reward (\S+)", printed)]
    assert earned == pytest.approx(sum(liked), abs=0.02)


@pytest.mark.core
def test_quickstart_is_the_same_for_the_same_seed(run: Run) -> None:
    first, again, other = (run("quickstart.py", "--seed", seed) for seed in ("5", "5", "6"))
    assert first == again != other


@pytest.mark.core
def test_custom_simulator(run: Run) -> None:
    printed = run("custom_simulator.py", "--steps", "2", "--episodes", "20")
    assert printed.count("  answer  ") == 2
    returns = dict(re.findall(r"^(.+?) +return +(\S+) over 20 users$", printed, re.MULTILINE))
    assert float(returns["same maker"]) > float(returns["random"])


def test_sb3_ppo(run: Run) -> None:
    pytest.importorskip("stable_baselines3")
    printed = run("sb3_ppo.py", "--steps", "1024", "--episodes", "8")
    assert re.findall(r"^(\w+) +return ", printed, re.MULTILINE) == ["random", "popular", "PPO"]
    assert "PPO above popular: " in printed


@pytest.mark.core
def test_popular(run: Run) -> None:
    small = ("--episodes", "20", "--id", "LLMRec/TrueTaste-v0")
    once, masked = run("popular.py", *small), run("popular.py", "--masks", *small)
    earned = [float(re.search(r"^greedy +return +(\S+)", text, re.M)[1]) for text in (once, masked)]
    assert earned[1] > 2 * earned[0], "there a seen item pays nothing"


def check_comparison(printed: str) -> None:
    """Random and two ways of the agent, with their distance from random."""
    rows = re.findall(r"^(\w+) +return +(\d+\.\d\d) ± \d+\.\d\d(.*)$", printed, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["random", "greedy", "sampled"], printed
    assert [row[-1].endswith("standard errors above random") for row in rows] == [False, True, True]


@pytest.mark.parametrize(
    "algorithm", ["ppo", "a2c", "dqn", "maskable_ppo", "recurrent_ppo", "qrdqn"]
)
def test_sb3_any(run: Run, algorithm: str) -> None:
    pytest.importorskip("sb3_contrib")
    small = ("--algorithm", algorithm, "--count", "1", "--steps", "110", "--episodes", "4", *TRUE)
    check_comparison(run("sb3_any.py", *small))


@pytest.mark.parametrize(
    ("algorithm", "more"),
    [
        ("dqn", (*TRUE, "--settings", "candidates=20")),
        ("td3", ("--id", "LLMRec/ItemEmbedding-v0", "--settings", "simulator=true-taste")),
        ("sac", ("--id", "LLMRec/ItemEmbedding-v0", "--settings", "simulator=true-taste")),
    ],
)
def test_sb3_any_with_other_actions(run: Run, algorithm: str, more: tuple[str, ...]) -> None:
    pytest.importorskip("sb3_contrib")
    small = ("--algorithm", algorithm, "--count", "2", "--steps", "104", "--episodes", "4", *more)
    check_comparison(run("sb3_any.py", *small))


@pytest.mark.slow
def test_sb3_any_in_processes_of_its_own(run: Run) -> None:
    pytest.importorskip("sb3_contrib")
    small = ("--algorithm", "a2c", "--count", "2", "--steps", "20", "--episodes", "4", *TRUE)
    check_comparison(run("sb3_any.py", "--envs", "subproc", *small))


@pytest.mark.core
@pytest.mark.parametrize("how", [(), ("--vectorization", "async")])
def test_cleanrl_ppo(run: Run, how: tuple[str, ...]) -> None:
    printed = run("cleanrl_ppo.py", "--steps", "1024", "--episodes", "4", *how, *TRUE)
    assert "1,024 steps · return of an episode" in printed
    check_comparison(printed)


@pytest.mark.core
def test_cleanrl_dqn(run: Run) -> None:
    printed = run("cleanrl_dqn.py", "--steps", "640", "--episodes", "4", *TRUE)
    check_comparison(printed)


def test_sb3_maskable_ppo(run: Run) -> None:
    pytest.importorskip("sb3_contrib")
    printed = run("sb3_maskable_ppo.py", "--steps", "1024")
    shown = re.findall(r"^[✓·] \d\.\d\d  (.+)$", printed, re.MULTILINE)
    assert len(shown) >= 5, "patience bears five skips"
    assert len(set(shown)) == len(shown)


def test_lea_into_ppo(run: Run) -> None:
    pytest.importorskip("sb3_contrib")
    small = ("--epochs", "1", "--users", "8", "--steps", "1024", "--episodes", "8")
    names = re.findall(r"^(.+?) +return +\d", run("lea_into_ppo.py", *small), re.MULTILINE)
    assert names == ["LEA", "LEA improved", "PPO from LEA", "PPO from nothing"]


@pytest.mark.parametrize(("algorithm", "name"), [("cql", "DiscreteCQL"), ("td3_bc", "TD3PlusBC")])
def test_d3rlpy_offline(run: Run, algorithm: str, name: str) -> None:
    pytest.importorskip("d3rlpy")
    small = ("--users", "12", "--steps", "20", "--online", "20", "--episodes", "8")
    printed = run("d3rlpy_offline.py", "--algorithm", algorithm, *small)
    assert re.search(rf"^{name}, \d+ transitions$", printed, re.MULTILINE)
    rows = re.findall(r"^(\w+) +return +\d+\.\d\d ± \d+\.\d\d(.*)$", printed, re.MULTILINE)
    assert [row[0] for row in rows] == ["random", "offline", "online"], printed
    assert all(row[1].endswith("standard errors above random") for row in rows[1:])


@pytest.mark.core
@pytest.mark.slow
def test_lea_on_the_generated_world(run: Run) -> None:
    check_ranking(run("lea_movielens.py", "--small", "--users", "80", "--epochs", "1"))


@pytest.mark.realdata
@pytest.mark.slow
def test_lea_on_movielens(run: Run, shared_data: Path) -> None:
    folder = str(shared_data / "ml_100k")
    check_ranking(run("lea_movielens.py", folder, "--small", "--users", "40", "--epochs", "1"))


def check_ranking(printed: str) -> None:
    """A line for each of the five rankers, with six numbers that rise with the cut-off."""
    rows = re.findall(r"^(\D+?) +((?:\d\.\d{4} *){6})$", printed, re.MULTILINE)
    assert len(rows) == 5, printed
    for _, numbers in rows:
        hits = [float(number) for number in numbers.split()][::2]
        assert hits == sorted(hits)
