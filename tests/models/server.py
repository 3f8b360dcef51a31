"""A server on this machine that gives files as good and bad servers do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served, and what was asked.

    Args:
        files: Bytes by path.
        cut_after: Bytes of a body after which the connection is cut; None for never.
        can_resume: Whether parts are given, and versions named.
        redirects: Addresses by path.
        content_length: Said in place of the true one; None for the true one.
        asked: (path, the range asked for), in order.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None
    can_resume: bool = True
    redirects: dict[str, str] = field(default_factory=dict)
    content_length: int | None = None
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.path, request.headers.get("Range")))
        if request.path in self.redirects:
            request.send_response(302)
            request.send_header("Location", self.redirects[request.path])
            request.end_headers()
        elif request.path in self.files:
            self._give(request, self.files[request.path])
        else:
            request.send_error(404, "Not Found")

    def _give(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        tag, begin = f'"{hash(content)}"', 0
        asked = request.headers.get("Range")
        if self.can_resume and asked and request.headers.get("If-Range") == tag:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if self.can_resume:
            request.send_header("ETag", tag)
        request.send_header("Content-Length", str(self.content_length or len(content) - begin))
        request.end_headers()
        request.wfile.write(content[begin:][: self.cut_after])


@contextmanager
def serving() -> Iterator[Site]:
    """Serve a site for a block."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
