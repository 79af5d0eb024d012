"""Objects below a URI, whatever kind of storage that is."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from harness.complaints import chain_of, one_line
from harness.contracts import BadInput
from harness.full_disks import is_full

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.5
_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "DefaultCredentialsError",
)
"""Of botocore and google-auth, which need not be installed."""
_PARTIAL = ".partial-"


class StoreUnreachable(OSError):
    """The store did not answer, or was too busy, again and again."""


class StoreRefused(OSError):
    """The store does not allow what was asked of it; asking again is of no use."""


def is_unreachable(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from or after, says that a store could not be reached."""
    return any(isinstance(each, StoreUnreachable) for each in chain_of(error))


class Bucket:
    """Objects below a URI by their names, reached by fsspec; what fails is tried again, with growing pauses.

    ``S3``, ``gs`` and others need their packages (``s3fs``, ``gcsfs``); how they are reached is set as each of them
    says, or by fsspec's environment variables (``FSSPEC_S3_ENDPOINT_URL``).
    """

    def __init__(self, uri: str, called: str = "--store") -> None:
        import fsspec

        self.uri = uri
        try:
            self._fs, self._base = fsspec.core.url_to_fs(uri, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise BadInput(f"{called} {uri}: {one_line(error)}.") from None

    def has(self, name: str) -> bool:
        return bool(self._patiently(lambda: self._fs.exists(self._at(name)), f"read {name}"))

    def names_in(self, folder: str) -> list[str]:
        """The names of the objects directly in a folder, without the folder's."""

        def look() -> list[str]:
            try:
                found = [str(path).rsplit("/", 1)[-1] for path in self._fs.ls(self._at(folder), detail=False)]
            except FileNotFoundError:
                return []
            return [name for name in found if not _is_partial(name)]

        names: list[str] = self._patiently(look, f"list {folder}/")
        return names

    def names_below(self) -> list[str]:
        """The names of all objects, sorted."""

        def look() -> list[str]:
            base = str(self._fs._strip_protocol(self._base)).rstrip("/") + "/"
            found = [str(path).removeprefix(base) for path in self._fs.find(self._base)]
            return sorted(name for name in found if not _is_partial(name))

        names: list[str] = self._patiently(look, "list what it holds")
        return names

    def read(self, name: str) -> bytes | None:
        """An object's content; None where there is none."""

        def get() -> bytes | None:
            try:
                content: bytes = self._fs.cat_file(self._at(name))
            except FileNotFoundError:
                return None
            return content

        content: bytes | None = self._patiently(get, f"read {name}")
        return content

    def write(self, name: str, content: bytes, *, replace: bool = True) -> bool:
        """Writes an object, whole or not at all. Gives False where it was there and is not to be replaced."""

        def put() -> bool:
            try:
                with self._place(name, replace=replace) as (path, mode):
                    self._fs.pipe_file(path, content, mode=mode)
            except FileExistsError:
                return False
            return True

        return bool(self._patiently(put, f"write {name}"))

    def fetch(self, name: str, path: Path) -> bool:
        """Brings an object into a file. Gives False where there is none."""

        def get() -> bool:
            partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
            try:
                self._fs.get_file(self._at(name), str(partial))
                partial.replace(path)
            except FileNotFoundError:
                return False
            finally:
                partial.unlink(missing_ok=True)
            return True

        return bool(self._patiently(get, f"read {name}", to_disk=True))

    def send(self, path: Path, name: str, *, replace: bool = False) -> bool:
        """Makes an object of a file, whole or not at all. Gives False where it was there and is not to be replaced."""

        def put() -> bool:
            if not replace and self._fs.exists(self._at(name)):
                return False
            try:
                with self._place(name, replace=replace) as (place, mode):
                    self._fs.put_file(str(path), place, mode=mode)
            except FileExistsError:
                return False
            return True

        return bool(self._patiently(put, f"write {name}"))

    def remove(self, name: str) -> None:
        def delete() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._at(name))

        self._patiently(delete, f"remove {name}")

    def age(self, name: str) -> float | None:
        """Seconds since an object was written; None where there is none."""

        def look() -> float | None:
            try:
                written: Any = self._fs.modified(self._at(name))
            except FileNotFoundError:
                return None
            return time.time() - float(written.timestamp())

        age: float | None = self._patiently(look, f"read {name}")
        return age

    def sizes(self, folder: str) -> dict[str, int]:
        """The bytes of each object directly in a folder, by its name."""

        def look() -> dict[str, int]:
            try:
                found = self._fs.ls(self._at(folder), detail=True)
            except FileNotFoundError:
                return {}
            return {each["name"].rsplit("/", 1)[-1]: int(each["size"]) for each in found if each["type"] == "file"}

        sizes: dict[str, int] = self._patiently(look, f"list {folder}/")
        return sizes

    def _at(self, name: str) -> str:
        return f"{self._base}/{name}"

    @contextlib.contextmanager
    def _place(self, name: str, *, replace: bool) -> Iterator[tuple[str, str]]:
        """Where an object is to be written, and fsspec's mode for it.

        An object store has it whole or not at all. On a file system it is written beside its place and moved there, in
        folders that are made where they are needed. Raises FileExistsError.
        """
        path = self._at(name)
        if self._fs.protocol not in ("file", ("file", "local")):
            yield path, "overwrite" if replace else "create"
            return
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f"{_PARTIAL}{uuid.uuid4().hex}")
        try:
            yield str(partial), "create"
            if replace:
                partial.replace(place)
            else:
                _move_where_none_is(partial, place)
        finally:
            partial.unlink(missing_ok=True)

    def _patiently(self, call: Callable[[], Any], asked: str, *, to_disk: bool = False) -> Any:
        """Busy and broken servers (503, cut connections) get some more tries; what is not allowed does not.

        asked: what the call asks for. to_disk: whether it writes to this machine's disk, which another try does not
        empty.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return call()
            except Exception as error:  # every file system has its own
                if to_disk and isinstance(error, OSError) and (is_full(error) or _is_of_disk(error)):
                    raise
                if _is_refusal(error):
                    raise StoreRefused(
                        f"{self.uri}: the store does not allow to {asked}: {one_line(error)}; check this machine's "
                        "credentials, and that the bucket's policy lets them list, read, write and remove there"
                    ) from None
                if attempt == _ATTEMPTS - 1:
                    raise StoreUnreachable(
                        f"{self.uri} cannot be reached: {one_line(error)}; what is finished is kept, start again"
                    ) from None
            time.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError


def _move_where_none_is(partial: Path, place: Path) -> None:
    """Raises FileExistsError where there is a file already; of two that come at once, one may replace the other's where
    the file system has no hard links."""
    try:
        os.link(partial, place)
    except FileExistsError:
        raise
    except OSError:
        if place.exists():
            raise FileExistsError(place) from None
        partial.replace(place)


def _is_partial(name: str) -> bool:
    return name.rsplit("/", 1)[-1].startswith(_PARTIAL)


def _is_of_disk(error: OSError) -> bool:
    """Whether this machine's own disk refused: what servers refuse has no number."""
    return isinstance(error, PermissionError) and error.errno is not None


def _is_refusal(error: Exception) -> bool:
    """Whether it says that something is not allowed, in the words of S3, of Google's storage or of a file system."""
    return (
        isinstance(error, PermissionError)
        or type(error).__name__ in _NO_CREDENTIALS
        or str(error).startswith("Forbidden")
        or _status(error) in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    )


def _status(error: Exception) -> object:
    """What a server answered instead of what was asked for, None where that is not known."""
    response = getattr(error.__cause__ or error, "response", None)
    about = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    return about.get("HTTPStatusCode") or getattr(error, "code", None)
