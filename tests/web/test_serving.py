"""The commands that serve: where they listen, what they say, and what a kill leaves."""

from __future__ import annotations

import html
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.shop.rollouts import Rollout, collect_rollouts, save_rollouts
from agents.shop.scripted import FirstHit
from llmrec_env.cli import app
from llmrec_env.common.errors import SettingError
from llmrec_env.common.run_folder import RunFolder

runner = CliRunner()


@pytest.mark.core
@pytest.mark.parametrize("command", [["serve"], ["shop", "serve"]])
def test_without_the_extra_the_door_names_it(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    result = runner.invoke(app, command)
    assert result.exit_code == 1
    assert 'pip install "llmrec-env[serve]"' in " ".join(result.output.split())


def test_a_busy_port_is_one_clear_error(tmp_path: Path) -> None:
    serving = pytest.importorskip("llmrec_env.web.serving", reason="needs the extra serve")
    with serving.listen("127.0.0.1", 0) as first:
        assert first.getsockname()[0] == "127.0.0.1"
        port = first.getsockname()[1]
        assert serving.address_of(first) == f"http://127.0.0.1:{port}/"
        with pytest.raises(SettingError, match=f"--port {port} is taken by another program"):
            serving.listen("127.0.0.1", port)
        command = ["shop", "serve", "--port", str(port), "--out", str(tmp_path / "people")]
        result = runner.invoke(app, command)
        assert result.exit_code == 1
        assert "is taken by another program" in " ".join(result.output.split())
        assert not (tmp_path / "people").exists()


def test_an_address_of_another_machine_is_refused() -> None:
    serving = pytest.importorskip("llmrec_env.web.serving", reason="needs the extra serve")
    for host in ("192.0.2.1", "no such host"):
        with pytest.raises(SettingError, match="this machine has no such address"):
            serving.listen(host, 0)
    assert serving.hosts_of("0.0.0.0") is None
    assert "evil.example" not in serving.hosts_of("127.0.0.1")


def test_a_mistake_leaves_the_folder_free_for_the_mended_command(tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="needs the extra serve")
    out, strangers = tmp_path / "people", tmp_path / "strangers.json"
    save_rollouts(strangers, [Rollout(0, "find me the moon", ("click[buy now]",), 0.0, False)])
    options = ["--catalogue", "60", "--port", "0", "--out", str(out), "--replay", str(strangers)]
    for split in ("train", "test"):
        result = runner.invoke(app, ["shop", "serve", "--split", split, *options])
        assert result.exit_code == 1
        assert "belongs to another shop" in " ".join(result.output.split())


@pytest.mark.skipif(sys.platform == "win32", reason="a kill is another thing there")
def test_what_people_do_outlives_a_kill(
    tmp_path: Path, fields: Callable[[str], dict[str, str]]
) -> None:
    pytest.importorskip("starlette", reason="needs the extra serve")
    httpx = pytest.importorskip("httpx2")
    out = str(tmp_path / "people")
    command = [sys.executable, "-m", "llmrec_env.cli", "shop", "serve", "--catalogue", "60"]
    replay = str(tmp_path / "rollouts.json")
    shop = {"catalogue": 60, "split": "train", "goals_per_product": 10}
    (rollout,) = collect_rollouts(FirstHit(), shop, [7])
    save_rollouts(replay, [rollout])
    command += ["--port", "0", "--out", out, "--replay", replay]

    def begin() -> tuple[subprocess.Popen[str], Any]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        address = process.stdout.readline().split()[2].rstrip("/")
        headers = {"origin": address}
        return process, httpx.Client(base_url=address, headers=headers, follow_redirects=True)

    process, person = begin()
    try:
        person.post("/start", data={"goal": "3"})
        page = person.post("/act", data={"step": "0", "search": "usb cables"}).text
        (cookie,) = person.cookies.jar
    finally:
        process.kill()
        process.wait()
    process, person = begin()
    try:
        port = person.base_url.port
        person.cookies.set(f"llmrec_shop_{port}", cookie.value)
        assert person.get("/shop").text == page
        assert fields(page) == {"step": "1"}
        first = html.unescape(person.get("/").text)
        assert replay in first
        assert RunFolder.open(Path(out))[1].items() >= shop.items()  # to learn from it later
        assert rollout.instruction in first
        assert not _reached_from_elsewhere(port)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 143


def test_the_seat_is_served_with_the_user_that_comes_with_the_package(tmp_path: Path) -> None:
    serving = pytest.importorskip("llmrec_env.web.serving", reason="needs the extra serve")
    httpx = pytest.importorskip("httpx2")
    with serving.listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    seen: list[str] = []
    ended = threading.Event()

    def visit() -> None:
        """Answer once, when the site is there, and stop it as Ctrl-C does."""
        address = f"http://127.0.0.1:{port}"
        person = httpx.Client(base_url=address, headers={"origin": address}, follow_redirects=True)
        while not seen:
            try:
                seen.append(person.get("/").text)
            except httpx.TransportError:
                if ended.wait(0.1):
                    return  # with an error of its own
        person.post("/sit")
        form = {"step": "0", "taken": "yes", "liking": "4"}
        seen.append(person.post("/answer", data=form).text)
        os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit)
    out = str(tmp_path / "seat")
    options = ["--out", out, "--port", str(port), "--agent", "popular", "--user", "u01204"]
    # Tests that a shell began in the background are handed a Ctrl-C that is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        visitor.start()
        result = runner.invoke(app, ["serve", *options])
    finally:
        signal.signal(signal.SIGINT, before)
        ended.set()
        visitor.join()
    assert result.exit_code == 130, result.output
    assert f"The seat is at http://127.0.0.1:{port}/" in " ".join(result.output.split())
    assert "what is popular, and 30% random ones" in seen[0]
    assert "You are user u01204" in seen[1]
    assert len((tmp_path / "seat" / "answers.jsonl").read_text().splitlines()) == 1


def _reached_from_elsewhere(port: int) -> bool:
    """Whether another address of this machine than the loopback's leads to the port."""
    for *_, address in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET):
        if not str(address[0]).startswith("127."):
            with socket.socket() as knocking:
                knocking.settimeout(1)
                return knocking.connect_ex(address[:2]) == 0
    return False
