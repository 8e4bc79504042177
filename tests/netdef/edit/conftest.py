"""A server on this machine, and a browser for its page."""

import http.client
import json
import threading
from types import SimpleNamespace

import pytest

from netdef.edit import Server, Session, edited
from tests.netdef.draw.conftest import browse  # noqa: F401 - a fixture

NET = """\
layer data: Input { shape { dim: [4, 3, 8, 8] } }
layer fc: InnerProduct(data) { num_output: 5 }
train layer drop: Dropout(fc) -> fc
"""


@pytest.fixture
def serve(file):
    """A function that serves a text as x.net, in the current folder."""
    servers = []

    def start(text=NET, name="x.net", out=None):
        server = Server(Session(edited(file(text, name) if text is not None else name, out)))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return SimpleNamespace(server=server, session=server.session, url=server.url, ask=lambda *a, **k: ask(server, *a, **k))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(server, method, path, body=None, **headers):
    """The status and the answer of a request; `headers` replace those of the page, None leaves one out."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"Host": server.names[0], "X-Netdef-Token": server.token, "Content-Length": str(len(data or b""))}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if answer.getheader("Content-Type", "").startswith("application/json") else text
