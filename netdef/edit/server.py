"""The server of `netdef edit`: this machine's own address, one file, and a token that only the page has.

It is the standard library's `http.server`: one person on one machine asks a few questions of a few kilobytes, which needs no
framework, and nobody else can reach it. What a framework would give is done here: who may ask (`_allowed`), how much, and for how
long. No path that the browser names is ever opened: there is one page, and the questions of `session.py` by their names.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from netdef.edit.page import page, policy
from netdef.edit.session import QuestionError, Session
from netdef.language.contents import MOST_TEXT
from netdef.language.diagnostics import NetdefError

HOST = "127.0.0.1"
PATIENCE = 20  # seconds that a connection may be silent
_MOST = 2 * MOST_TEXT  # bytes of a question
_log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Serves a session until it is shut down.

    Attributes
    ----------
    url: what the browser opens; it holds the token.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        """Raises NetdefError: the port is taken, or not allowed."""
        self.session = session
        self.token = secrets.token_urlsafe(32)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NetdefError(f"cannot serve at port {port}: {reason}", hint="leave --port out, and a free one is taken") from None

    @property
    def names(self) -> tuple[str, ...]:
        """What a browser on this machine may call the server."""
        return tuple(f"{host}:{self.server_port}" for host in (HOST, "localhost"))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks off is only logged: the user can do nothing about it."""
        _log.debug("a connection broke off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "netdef"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        """The page, if the address has the token."""
        asked = urlsplit(self.path)
        if not self._allowed((parse_qs(asked.query).get("token") or [""])[0]):
            return
        if asked.path != "/":
            return self._send(HTTPStatus.NOT_FOUND, "there is one page, /\n")
        nonce = secrets.token_urlsafe(16)
        try:
            text = page(self.server.session.edited, self.server.token, nonce)
        except NetdefError as error:
            return self._send(HTTPStatus.CONFLICT, f"{error}\n")
        self._send(HTTPStatus.OK, text, "text/html", policy(nonce))

    def do_POST(self) -> None:
        """A question, as JSON, by its name: /look."""
        if not self._allowed(self.headers.get("X-Netdef-Token", "")):
            return
        asked = self._body()
        if asked is None:
            return
        try:
            answer = self.server.session.answer(urlsplit(self.path).path.removeprefix("/"), asked)
        except QuestionError as error:
            return self._json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except NetdefError as error:
            return self._json(HTTPStatus.OK, {"error": str(error)})
        except Exception as error:
            _log.exception("%s failed", self.path.partition("?")[0][:40])
            text = f"netdef failed: {type(error).__name__}: {error}; the terminal of netdef edit says more"
            return self._json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": text})
        self._json(HTTPStatus.OK, answer)

    def _allowed(self, token: str) -> bool:
        """Whether the request is of our page: it names this server, comes from no other page, and has the token; answers if not.

        The host is compared so that a name that somebody else has pointed at this machine (DNS rebinding) reaches nothing.
        """
        origin = self.headers.get("Origin")
        ours = self.headers.get("Host", "") in self.server.names
        ours = ours and (origin is None or origin in [f"http://{name}" for name in self.server.names])
        if ours and hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            return True
        self._send(HTTPStatus.FORBIDDEN, "open the address that netdef edit has printed: it holds a token\n")
        return False

    def _body(self) -> dict[str, Any] | None:
        """The question's data; answers if there are none."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal():
            self._send(HTTPStatus.LENGTH_REQUIRED, "a question says how long it is\n")
            return None
        if int(length) > _MOST:
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the text is too large\n")
            return None
        try:
            asked = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            self._json(HTTPStatus.BAD_REQUEST, {"error": "a question is an object of JSON"})
            return None
        return asked

    def _json(self, status: HTTPStatus, answer: Any) -> None:
        self._send(status, json.dumps(answer), "application/json")

    def _send(self, status: HTTPStatus, text: str, kind: str = "text/plain", rules: str = "default-src 'none'") -> None:
        data = text.encode("utf-8", "replace")
        if status != HTTPStatus.OK:
            self.close_connection = True  # what the client still sends is not read
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(data))),
            ("Content-Security-Policy", f"{rules}; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not listed: an address holds the token."""


def serve(server: Server) -> None:
    """Answer until Ctrl-C."""
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
