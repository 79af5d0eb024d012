"""A server that speaks S3, and an empty place on it."""

import pytest
from s3_server import s3_server

from harness.work import bucket as bucket_module


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with s3_server() as server:
        yield server


@pytest.fixture
def uri(server, tmp_path, monkeypatch):
    import s3fs

    for name, value in (server.environment | {"FEWCOLORS_CACHE": str(tmp_path / "cache")}).items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = tmp_path.name.replace("_", "-").lower()[:40].strip("-")
    s3fs.S3FileSystem().mkdir(f"bucket-{name}")
    monkeypatch.setattr(bucket_module, "_FIRST_PAUSE_SECONDS", 0.001)
    yield f"s3://bucket-{name}/store"
    server.faults.clear()
