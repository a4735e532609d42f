"""Servers with OpenAI's chat completions: scripted ones with faults, and a real model's process."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Reply:
    """What a scripted server does with one request.

    Attributes:
        choice: the first choice of a chat completion.
        status: of HTTP; any but 200 is an error.
        body: sent in place of a completion.
        seconds: of silence before.
        drops: whether the connection is closed instead.
        headers: further ones.
    """

    choice: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    body: str | None = None
    seconds: float = 0.0
    drops: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[dict[str, Any]], Reply]
"""Of the request."""


def in_words(text: str) -> Reply:
    """An answer without log-probabilities."""
    return Reply({"message": {"role": "assistant", "content": text}})


def by_probability(answers: Mapping[str, float]) -> Reply:
    """An answer whose first token could have been any of these."""
    top = [{"token": text, "logprob": math.log(p), "bytes": None} for text, p in answers.items()]
    message = {"role": "assistant", "content": top[0]["token"]}
    return Reply({"message": message, "logprobs": {"content": [{**top[0], "top_logprobs": top}]}})


def last_message(request: dict[str, Any]) -> str:
    """The question."""
    text: str = request["messages"][-1]["content"]
    return text


class ScriptedServer(ThreadingHTTPServer):
    """Answers as a script says; keeps what it was asked, and how many asked at once."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.script = script
        self.asked: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.now = self.most = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no news."""


class ScriptedHandler(BaseHTTPRequestHandler):
    server: ScriptedServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(request)
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        reply = self.server.script(request)
        time.sleep(reply.seconds)
        with self.server.lock:
            self.server.now -= 1
        if reply.drops:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.send_response(reply.status)
        body = (self.completion(request, reply) if reply.body is None else reply.body).encode()
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def completion(self, request: dict[str, Any], reply: Reply) -> str:
        head = {"id": "1", "object": "chat.completion", "created": 0, "model": request["model"]}
        choice = {"index": 0, "finish_reason": "stop", **reply.choice}
        usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
        return json.dumps({**head, "choices": [choice], "usage": usage})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def scripted_servers() -> Iterator[Callable[[Script], ScriptedServer]]:
    """Starts servers, which end with the block."""
    servers = []

    def start(script: Script) -> ScriptedServer:
        server = ScriptedServer(script)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def serving(model: str | Path, *options: str) -> Iterator[str]:
    """A process that serves a real model on this machine; yields its address."""
    command = [sys.executable, str(ROOT / "examples" / "serve_model.py"), "--model", str(model)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [*command, "--port", "0", "--threads", "1", *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), address
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
