"""A server that speaks S3, in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

CUT = "cut"
"""The answer as it should be, less the second half of its body."""
Fault = Callable[[dict[str, Any]], int | bytes | str | None]
"""From a request to what is answered instead: a status, a body, CUT. None where it is answered as it should be."""


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
            if instead == CUT:
                body = b"".join(application(environ, start_response))
                return [body[: len(body) // 2]]
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
