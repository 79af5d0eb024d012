"""fewcolors itself, sent to the nodes of a cluster where it may not be installed, or in another version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.hiding import MODULES, home_of_ours, is_sent

SEND = "FEWCOLORS_SEND_CODE"
"""1: always, 0: never; else wherever a node is not on this machine."""


def code_to_send(addresses: Iterable[str], here: str, environment: Mapping[str, str]) -> list[str]:
    """The folders and files that Ray is to send as ``py_modules``; none where every node is on this machine.

    What came here by Ray (a job that ``ray job submit`` sent) goes on to workers by itself.

    Args:
        addresses: Of the nodes.
        here: The address of this machine.
        environment: The driver's.
    """
    wanted = environment.get(SEND, "")
    elsewhere = any(address != here for address in addresses)
    if wanted == "0" or is_sent(home_of_ours()) or not (wanted == "1" or elsewhere):
        return []
    places = [home_of_ours() / name for name in MODULES]
    return [str(place if place.is_dir() else place.with_suffix(".py")) for place in places]


def runtime_env(modules: list[str]) -> dict[str, Any]:
    """What ``ray.init`` is told; compiled code stays here, another node's processor may not understand it."""
    return {"py_modules": modules, "excludes": ["__pycache__"]} if modules else {}
