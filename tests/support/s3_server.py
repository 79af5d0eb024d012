"""A server that speaks S3, in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

Application = Callable[[dict[str, Any], Any], Any]
Fault = Callable[[dict[str, Any]], int | bytes | Application | None]
"""From a request to what it is answered with instead: a status, a body, whatever an application says. None where it is
answered as it should be."""


def cut(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """A body that ends long before it has the length that was promised."""
    start_response("200 OK", [("Content-Length", "100000"), ("ETag", '"0"')])
    yield b"0" * 1000


@dataclass(frozen=True)
class S3Server:
    """Where it listens, what goes wrong, and what clients need to know of it."""

    endpoint: str
    faults: list[Fault] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_MAX_ATTEMPTS": "1",
        }


@contextlib.contextmanager
def s3_server(address: str = "127.0.0.1") -> Iterator[S3Server]:
    """An empty one; moto's servers in one process share their buckets."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server
    from werkzeug.wrappers import Response

    application = DomainDispatcherApplication(create_backend_app)
    faults: list[Fault] = []

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        for fault in faults:
            instead = fault(environ)
            if isinstance(instead, int):
                return Response("<Error/>", status=instead)(environ, start_response)
            if isinstance(instead, bytes):
                return Response(instead, mimetype="application/xml")(environ, start_response)
            if instead is not None:
                return instead(environ, start_response)
        return application(environ, start_response)

    http = make_server(address, 0, answer, threaded=True)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    with contextlib.closing(HTTPConnection(address, http.server_port)) as connection:
        connection.request("POST", "/moto-api/reset")
        assert connection.getresponse().status == HTTPStatus.OK
    yield S3Server(f"http://{address}:{http.server_port}", faults)
    http.shutdown()
    thread.join()
