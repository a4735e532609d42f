"""A local server that speaks the chat-completions protocol and answers as a script says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[list[dict[str, str]]], tuple[int, Any]]
"""Of the messages: a status, and the text of the answer or the whole message."""


class ChatServer(ThreadingHTTPServer):
    """Answers ``/v1/chat/completions`` as a script says; keeps what it was asked."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.script = script
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class ChatHandler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(request)
        status, answered = self.server.script(request["messages"])
        message = answered if isinstance(answered, dict) else {"content": answered}
        choice = {"index": 0, "finish_reason": "stop"}
        answer: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [choice | {"message": {"role": "assistant", **message}}],
        }
        if self.path != "/v1/chat/completions":
            status = 404
        if status != 200:
            answer = {"error": {"message": "out of order"}}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def chat_servers() -> Iterator[Callable[[Script], ChatServer]]:
    """Starts servers, which end with the block."""
    servers = []

    def start(script: Script) -> ChatServer:
        server = ChatServer(script)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
