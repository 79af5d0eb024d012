"""Contrasts of means in a stated order."""

from __future__ import annotations


def linear_contrast(count: int) -> tuple[float, ...]:
    """Weights of the linear trend over so many ordered means: equally spaced, the positive ones add up to 1.

    Of three means it is the last less the first, and of any number it is proportional to the slope of the regression
    line over their ranks (Abelson & Tukey 1963 discuss it among other ordered contrasts).
    """
    centered = [rank - (count - 1) / 2 for rank in range(count)]
    positive = sum(weight for weight in centered if weight > 0)
    return tuple(weight / positive for weight in centered)


def steps(count: int) -> list[tuple[int, int]]:
    """Each mean and the next."""
    return [(i, i + 1) for i in range(count - 1)]
