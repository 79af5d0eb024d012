"""The loops of spatial color quantization, compiled; ``methods.scolorq`` says what they compute.

An image's sites are its pixels or, on a coarser level, blocks of 2 x 2 sites of the level before, smaller at the lower
and right border where need be. The coupling b_ij of two sites is that of their rows times that of their columns. A
table of couplings, ``float64 [L, 2 R + 1]``, has at ``[i, R + k]`` that of rows (or columns) i and i + k, zero where
i + k is outside. A site's memberships are its probabilities of the palette's entries, its mean is their expected
color. With the pull g_i = sum_j b_ij x_j of the image x, the field of a site is sum_j b_ij m_j - g_i: half the slope of
the energy.

Sites R + 1 rows or columns apart are not coupled, so visiting them at once is visiting them one by one. Those that are
visited at once make a sheet. There are S = (R + 1) (R' + 1) sheets, R' that of columns: the site in row y and column x
is in the sheet with number y mod (R + 1) below and x mod (R' + 1) beside, there in row y // (R + 1) + 1 and column
x // (R' + 1) + 1, because a sheet has a rim of one place. So the sites that are coupled with those of a sheet lie in
other sheets, all by as many places on. Numbers of sites are laid out in sheets of P places, ``float32 [S, K, P]``, K of
them a site: channels of means and pulls, entries of memberships. In the rim, and where a sheet ends beyond the image,
is what happens to be there, as couplings are 0. Palettes are ``float64 [3, C]``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import boolean, float64, int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

IMPOSSIBLE = 14.0
"""Entries that cost so much more than the best, in units of the temperature, get no membership."""

NEGLIGIBLE = 1e-4
"""Of the couplings of an entry: with less, no site has it."""

SETTLED = 0.01
"""Palettes that would move less, in 8-bit levels, are solved."""

LEAST_ERROR = 0.01
"""Of a palette to start from: temperatures are in proportion to it."""

SITES = 64
"""Of the coarsest level at least, and SITES_PER_ENTRY for each of the palette's entries."""

SITES_PER_ENTRY = 4

STEP = 7
"""From one sheet to the next that is visited, as neighbors in turn end in more energy; no number of sheets that there
can be, 25 at most, has a factor in common with it: rows and columns are in 1, 2, 3, 4 or 5 groups each."""

VECTOR = 32
"""Places that vector registers take at once, and more than one of them."""

BLOCK = 16 * VECTOR
"""Places of a sheet that are worked on at a time."""

FEW = 8
"""Entries up to which it is faster to take labels for memberships than to count their pairs; with more, solving the
palette for the memberships of pixels is what takes longest."""

SELDOM = 3
"""With more entries, the palette is solved for pixels after one of so many temperatures."""

_LEAST = np.float32(-IMPOSSIBLE / 64)
_64TH, _24TH, _SIXTH, _HALF = np.float32(1 / 64), np.float32(1 / 24), np.float32(1 / 6), np.float32(1 / 2)
_ZERO, _ONE = np.float32(0), np.float32(1)


class Sheets(NamedTuple):
    """How the sites of a level lie in sheets; couplings are 0 where there is no site.

    down: the couplings of rows, ``float32 [R + 1, 2 R + 1, P]``; across: of columns; own: of each site with itself,
    ``float32 [S, P]``; inverse: one over it, 0 where there is no site; extent: places from the first that may be a
    site's, number wide + 1, to the last and some more, a multiple of ``VECTOR``; wide: columns of a sheet.
    """

    down: NDArray[np.float32]
    across: NDArray[np.float32]
    own: NDArray[np.float32]
    inverse: NDArray[np.float32]
    extent: int
    wide: int


@compiled()
def _couplings(length: int, profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """The table of so many pixels in a row, R no more than there are; profile: coupling by distance, symmetric."""
    middle, radius = len(profile) // 2, min(len(profile) // 2, length - 1)
    table = np.zeros((length, 2 * radius + 1))
    for i in range(length):
        for k in range(max(-radius, -i), min(radius, length - 1 - i) + 1):
            table[i, radius + k] = profile[middle + k]
    return table


@compiled()
def _halved(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The couplings of pairs of neighbors: the sums of those of their members."""
    radius = table.shape[1] // 2
    coarse_radius = (radius + 1) // 2
    coarse = np.zeros(((len(table) + 1) // 2, 2 * coarse_radius + 1))
    for i in range(len(table)):
        for k in range(max(-radius, -i), min(radius, len(table) - 1 - i) + 1):
            coarse[i // 2, coarse_radius + (i + k) // 2 - i // 2] += table[i, radius + k]
    return coarse


@compiled()
def _halved_sums(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[H, W, 3]`` added up in blocks of 2 x 2."""
    height, width = field.shape[:2]
    coarse = np.zeros(((height + 1) // 2, (width + 1) // 2, 3))
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                coarse[y // 2, x // 2, channel] += field[y, x, channel]
    return coarse


@compiled()
def _coupled(
    rows: NDArray[np.float64], columns: NDArray[np.float64], field: NDArray[np.float64]
) -> NDArray[np.float64]:
    """sum_j b_ij field_j of ``[H, W, 3]``."""
    height, width = field.shape[:2]
    across, both = np.zeros_like(field), np.zeros_like(field)
    radius = columns.shape[1] // 2
    for y in range(height):
        for x in range(width):
            for k in range(max(-radius, -x), min(radius, width - 1 - x) + 1):
                for channel in range(3):
                    across[y, x, channel] += columns[x, radius + k] * field[y, x + k, channel]
    radius = rows.shape[1] // 2
    for y in range(height):
        for k in range(max(-radius, -y), min(radius, height - 1 - y) + 1):
            weight, sums, parts = rows[y, radius + k], both[y].reshape(-1), across[y + k].reshape(-1)
            for i in range(3 * width):
                sums[i] += weight * parts[i]
    return both


@compiled()
def _sheets(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Sheets:
    """Those of a level with these tables of couplings."""
    below, beside = rows.shape[1] // 2 + 1, columns.shape[1] // 2 + 1
    tall, wide = (len(rows) - 1) // below + 1, (len(columns) - 1) // beside + 3
    extent = (tall * wide - 3) // VECTOR * VECTOR + VECTOR
    places = extent + 2 * wide + 2
    down = np.zeros((below, rows.shape[1], places), np.float32)
    for y in range(len(rows)):
        place = (y // below + 1) * wide
        for k in range(rows.shape[1]):
            down[y % below, k, place : place + wide] = rows[y, k]
    across = np.zeros((beside, columns.shape[1], places), np.float32)
    for x in range(len(columns)):
        for k in range(columns.shape[1]):
            across[x % beside, k, x // beside + 1 : (tall + 2) * wide : wide] = columns[x, k]
    own = np.zeros((below * beside, places), np.float32)
    inverse = np.zeros_like(own)
    for y in range(len(rows)):
        for x in range(len(columns)):
            sheet, place = y % below * beside + x % beside, (y // below + 1) * wide + x // beside + 1
            own[sheet, place] = rows[y, below - 1] * columns[x, beside - 1]
            inverse[sheet, place] = 1 / (rows[y, below - 1] * columns[x, beside - 1])
    return Sheets(down, across, own, inverse, extent, wide)


@compiled()
def _room(sheets: Sheets, depth: int) -> NDArray[np.float32]:
    """For so many numbers a site, ``[S, K, P]``, all 0."""
    return np.zeros((len(sheets.own), depth, sheets.own.shape[1]), np.float32)


@compiled()
def _part(room: NDArray[np.float32], depth: int, places: int) -> NDArray[np.float32]:
    """The beginning of ``[n]`` as ``[K, places]``."""
    return room[: depth * places].reshape(depth, places)


@compiled()
def _place(sheets: Sheets, y: int, x: int) -> tuple[int, int]:
    """The sheet of a site and its place there."""
    below, beside = len(sheets.down), len(sheets.across)
    return y % below * beside + x % beside, (y // below + 1) * sheets.wide + x // beside + 1


@compiled()
def _laid_out(sheets: Sheets, field: NDArray[np.float64]) -> NDArray[np.float32]:
    """``[H, W, 3]`` in sheets."""
    laid = _room(sheets, 3)
    beside = len(sheets.across)
    for y in range(field.shape[0]):
        for column in range(beside):
            sheet, place = _place(sheets, y, column)
            for x in range(column, field.shape[1], beside):
                for channel in range(3):
                    laid[sheet, channel, place] = field[y, x, channel]
                place += 1
    return laid


@compiled()
def _read_off(sheets: Sheets, labels: NDArray[np.uint8], indices: NDArray[np.uint8]) -> None:
    """Writes the index map ``[H, W]`` of labels in sheets."""
    beside = len(sheets.across)
    for y in range(indices.shape[0]):
        for column in range(beside):
            sheet, place = _place(sheets, y, column)
            for x in range(column, indices.shape[1], beside):
                indices[y, x] = labels[sheet, place]
                place += 1


@compiled()
def _doubled(coarse: NDArray[np.float32], coarser: Sheets, finer: Sheets, height: int, width: int) -> NDArray[Any]:
    """Each of so many rows and columns of sites gets the color of its block."""
    colors = np.empty((height, width, 3))
    beside = len(coarser.across)
    for y in range(height):
        for column in range(beside):
            sheet, place = _place(coarser, y // 2, column)
            for x in range(column, (width + 1) // 2, beside):
                for channel in range(3):
                    colors[y, 2 * x, channel] = coarse[sheet, channel, place]
                    if 2 * x + 1 < width:
                        colors[y, 2 * x + 1, channel] = coarse[sheet, channel, place]
                place += 1
    return _laid_out(finer, colors)


@compiled()
def _couple(
    couplings: NDArray[np.float32],
    own: int,
    sheets_on: int,
    places_on: int,
    given: NDArray[np.float32],
    base: int,
    number: int,
    start: int,
    sums: NDArray[np.float32],
    into: int,
    into_number: int,
    into_start: int,
    places: int,
) -> None:
    """One number of the sites coupled in a row (or column) with those of a sheet, times their couplings, added up.

    couplings: of columns, ``[R + 1, 2 R + 1, P]``, or rows; own: the sheet's number beside (or below); sheets_on,
    places_on: how far on the next sheet and the next place are; given: ``[S, K, P]``; base: the first sheet beside (or
    below); start: the first of the places; sums: ``[S, K, P]``, of which number ``into_number`` in sheet ``into`` is
    written from ``into_start`` on.
    """
    count, radius = len(couplings), couplings.shape[1] // 2
    at, into_at = np.uintp(start), np.uintp(into_start)  # no sign: none counts from the end
    sheet = base + own * sheets_on
    for i in range(np.uintp(places)):
        sums[into, into_number, into_at + i] = couplings[own, radius, at + i] * given[sheet, number, at + i]
    for k in range(1, radius + 1):
        before, after = own - k, own + k
        first, first_at = base + before % count * sheets_on, np.uintp(start + before // count * places_on)
        last, last_at = base + after % count * sheets_on, np.uintp(start + after // count * places_on)
        for i in range(np.uintp(places)):
            sums[into, into_number, into_at + i] += (
                couplings[own, radius - k, at + i] * given[first, number, first_at + i]
                + couplings[own, radius + k, at + i] * given[last, number, last_at + i]
            )


@compiled()
def _gather(
    sheets: Sheets,
    means: NDArray[np.float32],
    pull: NDArray[np.float32],
    below: int,
    beside: int,
    start: int,
    colors: NDArray[np.float32],
    room: NDArray[np.float32],
) -> None:
    """The colors that would be best at consecutive places of one sheet, its number below and its number beside: its
    means less the field over the coupling with themselves, ``[3, n]``. room: for as many numbers, at least.
    """
    down, across = sheets.down, sheets.across
    sheet, first, count = below * len(across) + beside, np.uintp(start), np.uintp(colors.shape[1])
    row = room[: colors.size].reshape(1, 3, colors.shape[1])
    for channel in range(3):
        for i in range(count):
            colors[channel, i] = -pull[sheet, channel, first + i]
    for k in range(down.shape[1]):
        other = below + k - down.shape[1] // 2
        base, begin = other % len(down) * len(across), start + other // len(down) * sheets.wide
        for channel in range(3):
            _couple(across, beside, 1, 1, means, base, channel, begin, row, 0, channel, 0, count)
            for i in range(count):
                colors[channel, i] += down[below, k, first + i] * row[0, channel, i]
    for channel in range(3):
        for i in range(count):
            colors[channel, i] = (
                means[sheet, channel, first + i] - colors[channel, i] * sheets.inverse[sheet, first + i]
            )


@compiled()
def _costs(palette: NDArray[np.float32], colors: NDArray[np.float32], costs: NDArray[np.float32]) -> None:
    """Squared distances of colors ``[3, n]`` from entries ``[3, C]``: ``[C, n]``."""
    for c in range(costs.shape[0]):
        r, g, b = palette[0, c], palette[1, c], palette[2, c]
        for i in range(costs.shape[1]):
            costs[c, i] = (r - colors[0, i]) ** 2 + (g - colors[1, i]) ** 2 + (b - colors[2, i]) ** 2


@compiled()
def _least(costs: NDArray[np.float32], least: NDArray[np.float32]) -> None:
    """The least of each column of ``[C, n]``."""
    for i in range(costs.shape[1]):
        least[i] = costs[0, i]
    for c in range(1, costs.shape[0]):
        for i in range(costs.shape[1]):
            least[i] = min(least[i], costs[c, i])


@compiled()
def _first_least(costs: NDArray[np.float32], least: NDArray[np.float32], first: NDArray[np.float32]) -> None:
    """The same, and in which row it is; of equals the first. As numbers of the same kind, which is faster."""
    for i in range(costs.shape[1]):
        least[i], first[i] = costs[0, i], _ZERO
    for c in range(1, costs.shape[0]):
        entry = np.float32(c)
        for i in range(costs.shape[1]):
            first[i] = entry if costs[c, i] < least[i] else first[i]
        for i in range(costs.shape[1]):
            least[i] = min(least[i], costs[c, i])


@compiled()
def _weigh(costs: NDArray[np.float32], least: NDArray[np.float32], sharpness: NDArray[np.float32]) -> None:
    """Costs ``[C, n]`` become exp(sharpness (least - cost)), 0 where that is less than exp(-IMPOSSIBLE)."""
    for c in range(costs.shape[0]):
        for i in range(costs.shape[1]):
            # exp(z) is exp(z / 64) to the power of 64, and so small a number needs few terms.
            z = max(sharpness[i] * (least[i] - costs[c, i]) * _64TH, _LEAST)
            power = _ONE + z * (_ONE + z * (_HALF + z * (_SIXTH + z * _24TH)))
            power *= power
            power *= power
            power *= power
            power *= power
            power *= power
            power *= power
            costs[c, i] = power if z > _LEAST else _ZERO


@compiled()
def _mixture(
    entries: NDArray[np.float32], weights: NDArray[np.float32], mixture: NDArray[np.float32], row: int
) -> None:
    """The sum of so many numbers, each with its weights ``[C, n]``, in a row of ``[K, n]``."""
    for i in range(weights.shape[1]):
        mixture[row, i] = entries[0] * weights[0, i]
    for c in range(1, weights.shape[0]):
        for i in range(weights.shape[1]):
            mixture[row, i] += entries[c] * weights[c, i]


@compiled()
def _anneal(
    sheets: Sheets,
    palette: NDArray[np.float64],
    temperature: float,
    pull: NDArray[np.float32],
    means: NDArray[np.float32],
    memberships: NDArray[np.float32],
) -> None:
    """Visits every site once: its memberships become those of the mean field at a temperature.

    memberships: of no entries where only means are wanted.
    """
    cold = np.float32(min(1 / temperature, 1e30))
    entries, first, last = palette.shape[1], sheets.wide + 1, sheets.wide + 1 + sheets.extent
    mixed = np.ones((4, entries), np.float32)  # each channel, and what makes the sum of all weights
    mixed[:3] = palette
    longest = min(BLOCK, last - first)
    weights_room, room = np.empty(max(3, entries) * longest, np.float32), np.empty(6 * longest, np.float32)
    for turn in range(len(sheets.own)):
        sheet = turn * STEP % len(sheets.own)
        below, beside = sheet // len(sheets.across), sheet % len(sheets.across)
        for start in range(first, last, BLOCK):
            count = min(BLOCK, last - start)
            weights, sums = _part(weights_room, entries, count), _part(room, 4, count)
            least, sharpness = room[4 * count : 5 * count], room[5 * count : 6 * count]
            _gather(sheets, means, pull, below, beside, start, sums[:3], weights_room)
            _costs(mixed, sums, weights)
            _least(weights, least)
            at = np.uintp(start)
            for i in range(np.uintp(count)):
                sharpness[i] = sheets.own[sheet, at + i] * cold
            _weigh(weights, least, sharpness)
            for number in range(4):
                _mixture(mixed[number], weights, sums, number)
            for i in range(count):
                sums[3, i] = _ONE / sums[3, i]
            for channel in range(3):
                for i in range(np.uintp(count)):
                    means[sheet, channel, at + i] = sums[channel, i] * sums[3, i]
            for c in range(memberships.shape[1]):
                for i in range(np.uintp(count)):
                    memberships[sheet, c, at + i] = weights[c, i] * sums[3, i]


@compiled()
def _mix(memberships: NDArray[np.float32], palette: NDArray[np.float64], means: NDArray[np.float32]) -> None:
    """Means for memberships."""
    single = palette.astype(np.float32)
    for sheet in range(len(means)):
        for channel in range(3):
            _mixture(single[channel], memberships[sheet], means[sheet], channel)


@compiled()
def _descend(
    sheets: Sheets,
    palette: NDArray[np.float64],
    pull: NDArray[np.float32],
    means: NDArray[np.float32],
    labels: NDArray[np.uint8],
) -> int:
    """Visits every site once and gives it the entry of least energy (of equals its own); how many have changed.

    means: the entries of the labels ``[S, P]``.
    """
    single = palette.astype(np.float32)
    entries, first, last = palette.shape[1], sheets.wide + 1, sheets.wide + 1 + sheets.extent
    longest = min(BLOCK, last - first)
    costs_room, room = np.empty(max(3, entries) * longest, np.float32), np.empty(5 * longest, np.float32)
    changed = 0
    for turn in range(len(sheets.own)):
        sheet = turn * STEP % len(sheets.own)
        below, beside = sheet // len(sheets.across), sheet % len(sheets.across)
        for start in range(first, last, BLOCK):
            count = min(BLOCK, last - start)
            costs, colors = _part(costs_room, entries, count), _part(room, 3, count)
            least, nearest = room[3 * count : 4 * count], room[4 * count : 5 * count]
            _gather(sheets, means, pull, below, beside, start, colors, costs_room)
            _costs(single, colors, costs)
            _first_least(costs, least, nearest)
            for i in range(count):
                label = labels[sheet, start + i]
                if least[i] < costs[label, i] and sheets.own[sheet, start + i]:
                    changed += 1
                    best = np.uint8(nearest[i])
                    labels[sheet, start + i] = best
                    for channel in range(3):
                        means[sheet, channel, start + i] = single[channel, best]
    return changed


@compiled()
def _solve(pairs: NDArray[np.float64], wanted: NDArray[np.float64], palette: NDArray[np.float64]) -> None:
    """The palette ``[3, C]`` of least energy in 0..255: Gauss-Seidel with projection, from the palette that is there.

    pairs: symmetric, ``[C, C]``; wanted: ``[3, C]``, overwritten; the solution of ``pairs y = wanted`` where that is
    within bounds. An entry that no site has stays.
    """
    entries = palette.shape[1]
    for channel in range(3):
        for c in range(entries):
            for other in range(entries):
                wanted[channel, other] -= pairs[c, other] * palette[channel, c]
    for _ in range(100):
        most = 0.0
        for c in range(entries):
            if pairs[c, c] <= NEGLIGIBLE:
                continue
            for channel in range(3):
                value = min(max(palette[channel, c] + wanted[channel, c] / pairs[c, c], 0.0), 255.0)
                change = value - palette[channel, c]
                most = max(most, abs(change))
                palette[channel, c] = value
                for other in range(entries):
                    wanted[channel, other] -= pairs[c, other] * change
        if most < SETTLED:
            break


@compiled(reorder=True)
def _dots(
    a: NDArray[np.float32], sheet: int, b: NDArray[np.float32], start: int, row: int, column: int, sums: NDArray[Any]
) -> None:
    """The sums of products of two numbers of a sheet with two others, added to ``sums``: four at once load half.

    a: ``[S, K, P]``; b: the others, ``[M, n]``; start: the first of the n places; row, column: which numbers, and those
    after them; sums: ``[K + 1, M]``, and of its last row nothing is to be used where a sheet has no such number.
    """
    first, next_row, at = np.uintp(row), np.uintp(min(row + 1, a.shape[1] - 1)), np.uintp(start)
    here, after = np.uintp(column), np.uintp(column + 1)
    upper, upper_after, lower, lower_after = _ZERO, _ZERO, _ZERO, _ZERO
    for i in range(np.uintp(b.shape[1])):
        upper += a[sheet, first, at + i] * b[here, i]
        upper_after += a[sheet, first, at + i] * b[after, i]
        lower += a[sheet, next_row, at + i] * b[here, i]
        lower_after += a[sheet, next_row, at + i] * b[after, i]
    sums[row, column] += upper
    sums[row, column + 1] += upper_after
    sums[row + 1, column] += lower
    sums[row + 1, column + 1] += lower_after


@compiled()
def _solve_soft(
    sheets: Sheets,
    memberships: NDArray[np.float32],
    pull: NDArray[np.float32],
    room: NDArray[np.float32],
    palette: NDArray[np.float64],
) -> None:
    """The palette of least expected energy for memberships, which are independent from site to site.

    room: as large as the memberships.
    """
    down, across = sheets.down, sheets.across
    entries, start, count = memberships.shape[1], sheets.wide + 1, sheets.extent
    for below in range(len(down)):
        for beside in range(len(across)):
            sheet = below * len(across) + beside
            for c in range(entries):
                _couple(across, beside, 1, 1, memberships, below * len(across), c, start, room, sheet, c, start, count)
    # Of a sheet: pull, coupling of sites with themselves, coupled memberships; and one more, as they go in pairs.
    others = np.zeros((1, 4 + entries + 1, count), np.float32)
    sums = np.zeros((entries + 1, others.shape[1]))
    for below in range(len(down)):
        for beside in range(len(across)):
            sheet = below * len(across) + beside
            others[0, :3] = pull[sheet, :, start : start + count]
            others[0, 3] = sheets.own[sheet, start : start + count]
            for c in range(entries):
                _couple(down, below, len(across), sheets.wide, room, beside, c, start, others, 0, 4 + c, 0, count)
                for i in range(np.uintp(count)):
                    others[0, 4 + c, i] -= others[0, 3, i] * memberships[sheet, c, np.uintp(start) + i]
            for c in range(0, entries, 2):
                for other in range(0, 4 + c + 1, 2):
                    _dots(memberships, sheet, others[0], start, c, other, sums)
    pairs = np.zeros((entries, entries))
    for c in range(entries):
        pairs[c, c] = sums[c, 3]
        for other in range(c + 1):
            pairs[c, other] += sums[c, 4 + other]
            pairs[other, c] = pairs[c, other]
    _solve(pairs, sums[:entries, :3].T.copy(), palette)


@compiled()
def _solve_hard(
    sheets: Sheets, labels: NDArray[np.uint8], pull: NDArray[np.float32], palette: NDArray[np.float64]
) -> None:
    """The palette of least energy for labels ``[S, P]``."""
    down, across = sheets.down, sheets.across
    entries, first, last = palette.shape[1], sheets.wide + 1, sheets.wide + 1 + sheets.extent
    pairs, wanted = np.zeros((entries, entries)), np.zeros((3, entries))
    for below in range(len(down)):
        for beside in range(len(across)):
            sheet = below * len(across) + beside
            for i in range(first, last):
                label = labels[sheet, i]
                for channel in range(3):
                    wanted[channel, label] += pull[sheet, channel, i]
                pairs[label, label] += sheets.own[sheet, i] / 2
            for k in range(down.shape[1] // 2, down.shape[1]):  # each pair of sites once
                other_below = below + k - down.shape[1] // 2
                for j in range(0 if k > down.shape[1] // 2 else across.shape[1] // 2 + 1, across.shape[1]):
                    other_beside = beside + j - across.shape[1] // 2
                    other = other_below % len(down) * len(across) + other_beside % len(across)
                    shift = other_below // len(down) * sheets.wide + other_beside // len(across)
                    for i in range(first, last):
                        coupling = down[below, k, i] * across[beside, j, i]
                        pairs[labels[sheet, i], labels[other, np.uintp(i + shift)]] += coupling
    for c in range(entries):
        for other in range(c + 1):
            pairs[c, other] = pairs[other, c] = pairs[c, other] + pairs[other, c]
    _solve(pairs, wanted, palette)


@compiled()
def _certain(labels: NDArray[np.uint8], memberships: NDArray[np.float32]) -> None:
    """Each site gets all of its membership in the entry of its label."""
    for sheet in range(len(labels)):
        for c in range(memberships.shape[1]):
            for i in range(labels.shape[1]):
                memberships[sheet, c, i] = _ONE if labels[sheet, i] == c else _ZERO


@compiled()
def _show(palette: NDArray[np.float64], labels: NDArray[np.uint8], means: NDArray[np.float32]) -> None:
    """Each site's entry becomes its mean."""
    for sheet in range(len(means)):
        for channel in range(3):
            for i in range(means.shape[2]):
                means[sheet, channel, i] = palette[channel, labels[sheet, i]]


@compiled()
def _likeliest(memberships: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Each site's first entry of the largest membership, ``[S, P]``. Memberships are overwritten."""
    labels = np.empty((len(memberships), memberships.shape[2]), np.uint8)
    least, first = np.empty(memberships.shape[2], np.float32), np.empty(memberships.shape[2], np.float32)
    for sheet in range(len(memberships)):
        shares = memberships[sheet]
        for c in range(len(shares)):
            for i in range(len(least)):
                shares[c, i] = -shares[c, i]
        _first_least(shares, least, first)
        for i in range(len(first)):
            labels[sheet, i] = np.uint8(first[i])
    return labels


@compiled()
def _nearest(palette: NDArray[np.float64], means: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The first of the entries nearest to each site's mean, ``[S, P]``."""
    single, places = palette.astype(np.float32), means.shape[2]
    labels = np.empty((len(means), places), np.uint8)
    least, costs = np.empty(places, np.float32), np.empty((palette.shape[1], places), np.float32)
    first = np.empty(places, np.float32)
    for sheet in range(len(means)):
        _costs(single, means[sheet], costs)
        _first_least(costs, least, first)
        for i in range(places):
            labels[sheet, i] = np.uint8(first[i])
    return labels


@compiled()
def _error(colors: NDArray[np.float64], palette: NDArray[np.float64]) -> float:
    """The mean squared distance of ``[H, W, 3]`` from their nearest entries."""
    sites = colors.reshape(-1, 3)
    room, costs_room = np.empty(3 * BLOCK, np.float32), np.empty(palette.shape[1] * BLOCK, np.float32)
    least, single, error = np.empty(BLOCK, np.float32), palette.astype(np.float32), 0.0
    for start in range(0, len(sites), BLOCK):
        count = min(BLOCK, len(sites) - start)
        channels, costs = _part(room, 3, count), _part(costs_room, palette.shape[1], count)
        for i in range(count):
            for channel in range(3):
                channels[channel, i] = sites[start + i, channel]
        _costs(single, channels, costs)
        _least(costs, least[:count])
        for i in range(count):
            error += least[i]
    return error / len(sites)


@compiled()
def _level_count(height: int, width: int, entries: int) -> int:
    """How many levels there are, the image's own included."""
    levels = 1
    while True:
        height, width = (height + 1) // 2, (width + 1) // 2
        if height * width < max(SITES, SITES_PER_ENTRY * entries) or min(height, width) < 2:
            return levels
        levels += 1


@compiled()
def _temperature(number: int, count: int, first: float, last: float) -> float:
    """That of so many from the first to the last in geometric sequence."""
    return first * (last / first) ** (number / max(1, count - 1))


@compiled()
def _is_to_be_solved(level: int, levels: int, entries: int, step: int) -> bool:
    """Whether the palette is solved after temperature number ``step`` of a level; the finest level is number 0."""
    return entries <= FEW or level > 0 or levels == 1 or step % SELDOM == SELDOM - 1


@compiled()
def _settle(
    sheets: Sheets,
    pull: NDArray[np.float32],
    palette: NDArray[np.float64],
    means: NDArray[np.float32],
    labels: NDArray[np.uint8],
    memberships: NDArray[np.float32],
    room: NDArray[np.float32],
    rounds: int,
) -> None:
    """The end, at temperature 0: labels and palette in turn, then the palette rounded and labels for it.

    Neither step adds energy, except for rounding. means, memberships: overwritten; room: as for ``_solve_soft``.
    """
    for done in range(rounds):
        _show(palette, labels, means)
        if _descend(sheets, palette, pull, means, labels) == 0 and done > 0:
            break
        if palette.shape[1] <= FEW:
            _certain(labels, memberships)
            _solve_soft(sheets, memberships, pull, room, palette)
        else:
            _solve_hard(sheets, labels, pull, palette)
    for channel in range(3):
        for c in range(palette.shape[1]):
            palette[channel, c] = np.rint(palette[channel, c])
    _show(palette, labels, means)
    for _ in range(rounds):
        if _descend(sheets, palette, pull, means, labels) == 0:
            break


@compiled(
    void(
        *(given(uint8, 4), given(boolean, 1), given(float64, 1), float64, float64, int64, int64, int64),
        *(made(float64, 3), made(uint8, 3), made(float64, 1)),
    )
)
def quantize_images(
    images: NDArray[np.uint8],
    skip: NDArray[np.bool_],
    profile: NDArray[np.float64],
    first: float,
    last: float,
    temperatures: int,
    visits: int,
    rounds: int,
    palettes: NDArray[np.float64],
    indices: NDArray[np.uint8],
    errors: NDArray[np.float64],
) -> None:
    """Palettes and index maps of N images, see ``methods.scolorq``.

    images: ``[N, H, W, 3]``; skip: ``[N]``, images that are left out; profile: couplings of pixels in a row by
    distance, ``[2 R + 1]``; first, last: temperatures in units of the error; temperatures: on each level; visits: of
    every site at each; rounds: at the end; palettes: ``[N, C, 3]``, to start from, overwritten; indices: ``[N, H, W]``,
    written; errors: ``[N]``, written: the mean squared error of the palette to start from.
    """
    height, width = images.shape[1:3]
    entries = palettes.shape[1]
    rows, columns = [_couplings(height, profile)], [_couplings(width, profile)]
    levels = [_sheets(rows[0], columns[0])]
    for _ in range(_level_count(height, width, entries) - 1):
        rows.append(_halved(rows[-1]))
        columns.append(_halved(columns[-1]))
        levels.append(_sheets(rows[-1], columns[-1]))
    shares = [_room(level, entries) for level in levels]
    rooms = [_room(level, entries) for level in levels]
    unwanted = np.empty((len(shares[0]), 0, 0), np.float32)
    for n in range(len(images)):
        if skip[n]:
            continue
        palette = np.ascontiguousarray(palettes[n].T)
        colors = images[n].astype(np.float64)
        errors[n] = max(_error(colors, palette), LEAST_ERROR)
        pull = _coupled(rows[0], columns[0], colors)
        pulls = [_laid_out(levels[0], pull)]
        for level in range(1, len(levels)):
            pull = _halved_sums(pull)
            pulls.append(_laid_out(levels[level], pull))
        means = _room(levels[-1], 3)
        for sheet in range(len(means)):
            for channel in range(3):
                means[sheet, channel, :] = palette[channel].mean()
        for done in range(len(levels)):
            level = len(levels) - 1 - done
            sheets, memberships = levels[level], shares[level]
            if done:
                means = _doubled(means, levels[level + 1], sheets, len(rows[level]), len(columns[level]))
            for number in range(done * temperatures, (done + 1) * temperatures):
                temperature = errors[n] * _temperature(number, temperatures * len(levels), first, last)
                for visit in range(visits):
                    wanted = memberships if visit == visits - 1 else unwanted
                    _anneal(sheets, palette, temperature, pulls[level], means, wanted)
                if _is_to_be_solved(level, len(levels), entries, number - done * temperatures):
                    _solve_soft(sheets, memberships, pulls[level], rooms[level], palette)
                    _mix(memberships, palette, means)
        labels = _likeliest(shares[0])
        _settle(levels[0], pulls[0], palette, means, labels, shares[0], rooms[0], rounds)
        _read_off(levels[0], labels, indices[n])
        for c in range(entries):
            for channel in range(3):
                palettes[n, c, channel] = palette[channel, c]


@compiled()
def _tile_pull(
    image: NDArray[np.uint8],
    profile: NDArray[np.float64],
    palette: NDArray[np.float64],
    side: int,
    top: int,
    left: int,
    indices: NDArray[np.uint8],
) -> NDArray[np.float64]:
    """The pull of a tile, less that of the errors of pixels around it in tiles of an earlier turn."""
    radius = len(profile) // 2
    bottom, right = min(top + side, image.shape[0]), min(left + side, image.shape[1])
    turn = 2 * (top // side % 2) + left // side % 2
    wide = np.zeros((bottom - top + 2 * radius, right - left + 2 * radius, 3))
    for y in range(max(0, top - radius), min(bottom + radius, image.shape[0])):
        for x in range(max(0, left - radius), min(right + radius, image.shape[1])):
            inside = top <= y < bottom and left <= x < right
            if inside or 2 * (y // side % 2) + x // side % 2 < turn:
                for channel in range(3):
                    value = float(image[y, x, channel])
                    if not inside:
                        value -= palette[channel, indices[y, x]]
                    wide[y - top + radius, x - left + radius, channel] = value
    pull = _coupled(_couplings(wide.shape[0], profile), _couplings(wide.shape[1], profile), wide)
    return pull[radius : wide.shape[0] - radius, radius : wide.shape[1] - radius].copy()


@compiled(
    void(
        *(given(uint8, 3), given(float64, 1), given(float64, 2), float64, float64, float64, int64, int64, int64),
        *(int64, int64, int64, made(uint8, 2)),
    )
)
def quantize_tile(
    image: NDArray[np.uint8],
    profile: NDArray[np.float64],
    palette: NDArray[np.float64],
    error: float,
    first: float,
    last: float,
    temperatures: int,
    visits: int,
    rounds: int,
    side: int,
    top: int,
    left: int,
    indices: NDArray[np.uint8],
) -> None:
    """The index map of a tile of a large image for a palette that stays.

    Tiles in even rows and even columns of the grid come first, then those in odd columns, then in odd rows, and each
    counts the errors of those around it that are there, so that no two of one turn touch.

    image: ``[H, W, 3]``; palette: ``[3, C]``; error: the unit of temperatures; side: of tiles; top, left: the place of
    this one; indices: ``[H, W]``, read around the tile, written in it; the rest as in ``quantize_images``.
    """
    pull = _tile_pull(image, profile, palette, side, top, left, indices)
    height, width = pull.shape[:2]
    rows, columns = [_couplings(height, profile)], [_couplings(width, profile)]
    levels = [_sheets(rows[0], columns[0])]
    pulls = [_laid_out(levels[0], pull)]
    for _ in range(_level_count(height, width, palette.shape[1]) - 1):
        rows.append(_halved(rows[-1]))
        columns.append(_halved(columns[-1]))
        levels.append(_sheets(rows[-1], columns[-1]))
        pull = _halved_sums(pull)
        pulls.append(_laid_out(levels[-1], pull))
    means = _room(levels[-1], 3)
    for sheet in range(len(means)):
        for channel in range(3):
            means[sheet, channel, :] = palette[channel].mean()
    unwanted = np.empty((len(means), 0, 0), np.float32)
    for done in range(len(levels)):
        level = len(levels) - 1 - done
        if done:
            means = _doubled(means, levels[level + 1], levels[level], len(rows[level]), len(columns[level]))
        for number in range(done * temperatures, (done + 1) * temperatures):
            temperature = error * _temperature(number, temperatures * len(levels), first, last)
            for _ in range(visits):
                _anneal(levels[level], palette, temperature, pulls[level], means, unwanted)
    labels = _nearest(palette, means)
    _show(palette, labels, means)
    for _ in range(rounds):
        if _descend(levels[0], palette, pulls[0], means, labels) == 0:
            break
    _read_off(levels[0], labels, indices[top : top + height, left : left + width])
