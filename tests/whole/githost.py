"""Git over HTTP: git's own program for it, behind a small server that runs it as CGI (RFC 3875)."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_FIELDS = {"Content-Type": "CONTENT_TYPE", "Git-Protocol": "GIT_PROTOCOL"}
_ENCODING = "Content-Encoding"


class GitHost(ThreadingHTTPServer):
    """Serves the repositories below *root*; *users* and *framings* are those of its requests."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.users: set[str | None] = set()
        self.framings: set[str] = set()

    @property
    def upstream(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GitHost

    def do_GET(self) -> None:
        self._answer(self._body())

    do_POST = do_GET  # noqa: N815

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            self.server.framings.add("length")
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.framings.add("chunked")
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, body: bytes) -> None:
        user = self.headers["X-Forwarded-User"]
        self.server.users.add(user)
        address = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": address.path,
            "QUERY_STRING": address.query,
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": user or "",
        }
        for name, variable in _FIELDS.items():
            environment[variable] = self.headers[name] or ""
        environment["HTTP_CONTENT_ENCODING"] = self.headers[_ENCODING] or ""
        ran = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        fields = [line.partition(": ") for line in head.decode().split("\r\n") if line]
        status = next((value for name, _, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, _, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: what matters is in the test."""


@contextmanager
def git_host(root: Path) -> Iterator[GitHost]:
    """Serve the repositories below *root* until the block ends."""
    with GitHost(root) as host:
        thread = threading.Thread(target=host.serve_forever, name="git")
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()
            thread.join()
