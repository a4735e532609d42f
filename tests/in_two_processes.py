"""Scenes in two processes that learn together, forked from one that has imported what both need.

``accelerate launch`` imports torch and all else three times for each scene, which the tests of the
command line do once. What a process finds in its environment is what torchrun puts there.
"""

from __future__ import annotations

import ast
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

RunScene = Callable[[str, Path], tuple[int, str]]
"""From the name of a scene and a folder to an exit code and what both processes printed."""
ROOT = Path(__file__).resolve().parents[1]
SECONDS = 240.0


@contextmanager
def in_two_processes(script: Path) -> Iterator[RunScene]:
    """Runs ``SCRIPT SCENE FOLDER``, as often as wanted, in two processes."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, __file__, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=pipe,
        stdout=pipe,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None

        def run(scene: str, folder: Path) -> tuple[int, str]:
            print(json.dumps([scene, str(folder)]), file=parent.stdin, flush=True)
            code, output = json.loads(parent.stdout.readline())
            return code, output

        yield run
        parent.stdin.close()


def main(script: str) -> None:
    """Import what a script imports, then run scenes as they are asked for."""
    sys.path.insert(0, str(Path(script).parent))
    for node in ast.parse(Path(script).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            import_module(str(node.module))
    for late in ("accelerate", "torch._dynamo"):  # which learning imports
        import_module(late)
    for line in sys.stdin:
        print(json.dumps(run_scene([script, *json.loads(line)])), flush=True)


def run_scene(words: list[str]) -> tuple[int, str]:
    """A scene in two processes; where one fails the other is killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile("w+") as printed:
        running = {_fork(rank, port, words, printed.fileno()) for rank in (0, 1)}
        code, end = 0, time.monotonic() + SECONDS
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                running.remove(pid)
            if status or time.monotonic() > end:
                code = 1
                for other in running:
                    os.kill(other, signal.SIGKILL)
                end += SECONDS
            time.sleep(0.01)
        printed.seek(0)
        return code, printed.read()


def _fork(rank: int, port: int, words: list[str], output: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = words
    code = 1
    try:
        runpy.run_path(words[0], run_name="__main__")
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
