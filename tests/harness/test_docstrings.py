"""Docstrings as ``fewcolors list NAME`` reads them."""

from __future__ import annotations

import dataclasses

from harness.docstrings import description_of, explanations_of


@dataclasses.dataclass
class Base:
    """A base.

    Attributes:
        rate: How fast: so many
            steps a second.
        side (int): Of the image.

    Further words, not of any parameter: gamma: no.
    """


class Derived(Base):
    """Derived.

    Note: a colon alone makes no section.

    Args:
        rate: Its own words.
        gamma: Another.

    Returns:
        nothing: This is no parameter.
    """


@dataclasses.dataclass
class Bare(Derived):
    gamma: float = 1.0


def test_the_classs_own_words_come_before_those_of_its_bases() -> None:
    assert explanations_of(Base) == {"rate": "How fast: so many steps a second.", "side": "Of the image."}
    assert explanations_of(Derived) == {"rate": "Its own words.", "gamma": "Another.", "side": "Of the image."}
    assert explanations_of(Bare) == explanations_of(Derived)


def test_a_description_is_what_is_left_and_no_other_classs() -> None:
    assert description_of(Base) == "A base.\n\nFurther words, not of any parameter: gamma: no."
    assert description_of(Derived).startswith("Derived.\n\nNote: a colon alone makes no section.")
    assert description_of(Bare) == "", "what dataclasses write is no description"
