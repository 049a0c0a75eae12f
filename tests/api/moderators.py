"""A moderation service on loopback: it judges by words, keeps what it was sent, and can fail."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Service", "service"]

_CATEGORIES = {"hate": "vermin", "violence": "axe", "self-harm": "end it all"}


class Service(ThreadingHTTPServer):
    """One service; `mode` says how it answers from now on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode = "ok"
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.hold = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
        if self.path != "/v1/moderations":
            self._answer(404, b"{}")
            return
        mode = self.server.mode
        if mode == "hang":
            self.server.hold.wait(60)
        if mode == "500":
            self._answer(500, b'{"error": {"message": "broken"}}')
            return
        results = [_judged(text) for text in json.loads(body)["input"]]
        if mode == "silent":
            for result in results:
                result["categories"]["hate"] = None
        if mode == "short":
            results = results[1:]
        if mode == "prose":
            self._answer(200, b"I would rather not say")
            return
        self._answer(200, json.dumps({"id": "modr-1", "model": "m", "results": results}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _judged(text: str) -> dict[str, Any]:
    categories = {name: word in text for name, word in _CATEGORIES.items()}
    scores = {name: 0.98 if found else 0.01 for name, found in categories.items()}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
    }


@contextmanager
def service() -> Iterator[Service]:
    """A running service."""
    server = Service()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
