"""The loops of spatial color quantization, compiled; ``methods.scolorq`` says what they compute.

An image's sites are its pixels or, on a coarser level, blocks of 2 x 2 sites of the level before, smaller at the lower
and right border where need be. The coupling b_ij of two sites is that of their rows times that of their columns. A
table of couplings, ``float64 [L, 2 R + 1]``, has at ``[i, R + k]`` that of rows (or columns) i and i + k, zero where
i + k is outside. A site's memberships are its probabilities of the palette's entries, its mean is their expected
color. With the pull g_i = sum_j b_ij x_j of the image x, the field of a site is sum_j b_ij m_j - g_i: half the slope of
the energy. Memberships are ``float32 [H, W, C]``, means, pulls and fields ``float64 [H, W, 3]``, palettes ``float64
[3, C]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, int64, uint8, void
from numpy.typing import NDArray

from methods.compiled import compiled, given, made

NEGLIGIBLE = 1e-4
"""Memberships below are taken as none where pairs of entries are counted."""

IMPOSSIBLE = 14.0
"""Entries that cost so much more than the best, in units of the temperature, get no membership."""

SETTLED = 0.01
"""A mean or an entry that would move less, in 8-bit levels, is left where it is."""

LEAST_ERROR = 0.01
"""Of a palette to start from: temperatures are in proportion to it."""

SITES = 64
"""Of the coarsest level at least, and SITES_PER_ENTRY for each of the palette's entries."""

SITES_PER_ENTRY = 4


@compiled()
def _couplings(length: int, profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """The table of so many pixels in a row; profile: coupling by distance, ``[2 R + 1]``, symmetric."""
    radius = len(profile) // 2
    table = np.zeros((length, len(profile)))
    for i in range(length):
        for k in range(max(-radius, -i), min(radius, length - 1 - i) + 1):
            table[i, radius + k] = profile[radius + k]
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
def _coupled(rows: NDArray[np.float64], columns: NDArray[np.float64], field: NDArray[Any]) -> NDArray[Any]:
    """sum_j b_ij field_j of ``[H, W, K]``, for each of the K by itself."""
    height, width, depth = field.shape
    flat = field.reshape(height, width * depth)
    across, both = np.zeros_like(flat), np.zeros_like(flat)
    radius = columns.shape[1] // 2
    weights = np.zeros((2 * radius + 1, width * depth), flat.dtype)
    for x in range(width):
        for k in range(2 * radius + 1):
            weights[k, x * depth : (x + 1) * depth] = columns[x, k]
    for y in range(height):
        for k in range(-radius, radius + 1):
            shift, own = k * depth, weights[radius + k]
            for i in range(max(0, -shift), width * depth - max(0, shift)):
                across[y, i] += own[i] * flat[y, i + shift]
    radius = rows.shape[1] // 2
    for y in range(height):
        for k in range(max(-radius, -y), min(radius, height - 1 - y) + 1):
            weight = flat.dtype.type(rows[y, radius + k])
            for i in range(width * depth):
                both[y, i] += weight * across[y + k, i]
    return both.reshape(height, width, depth)


@compiled()
def _mixed(shares: NDArray[np.float32], palette: NDArray[np.float64]) -> NDArray[np.float64]:
    """sum_c of shares ``[H, W, C]`` times the palette's entries: ``[H, W, 3]``."""
    height, width, entries = shares.shape
    colors = np.zeros((height, width, 3))
    sites, mixed = shares.reshape(height * width, entries), colors.reshape(height * width, 3)
    for first in range(0, height * width, 2):  # two at once, because each waits for its sums
        second = min(first + 1, height * width - 1)
        r, g, b, red, green, blue = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for c in range(entries):
            share, other = sites[first, c], sites[second, c]
            r += share * palette[0, c]
            g += share * palette[1, c]
            b += share * palette[2, c]
            red += other * palette[0, c]
            green += other * palette[1, c]
            blue += other * palette[2, c]
        mixed[first, 0], mixed[first, 1], mixed[first, 2] = r, g, b
        mixed[second, 0], mixed[second, 1], mixed[second, 2] = red, green, blue
    return colors


@compiled()
def _subtract(field: NDArray[np.float64], pull: NDArray[np.float64]) -> None:
    """A loop, because numba compiles sums of arrays slowly."""
    height, width = field.shape[:2]
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                field[y, x, channel] -= pull[y, x, channel]


@compiled()
def _own(rows: NDArray[np.float64], columns: NDArray[np.float64], y: int, x: int) -> float:
    """The coupling of a site with itself."""
    return rows[y, rows.shape[1] // 2] * columns[x, columns.shape[1] // 2]


@compiled()
def _spread(
    field: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    y: int,
    x: int,
    dr: float,
    dg: float,
    db: float,
) -> None:
    """Tells the field that the color of a site has changed by so much."""
    height, width = field.shape[:2]
    down, across = rows.shape[1] // 2, columns.shape[1] // 2
    left, right = max(-across, -x), min(across, width - 1 - x) + 1
    for k in range(max(-down, -y), min(down, height - 1 - y) + 1):
        coupling = rows[y, down + k]
        r, g, b = coupling * dr, coupling * dg, coupling * db
        row = np.uintp(y + k)  # without a sign, nothing is counted from the end
        for j in range(left, right):
            share, column = columns[x, across + j], np.uintp(x + j)
            field[row, column, 0] += share * r
            field[row, column, 1] += share * g
            field[row, column, 2] += share * b


@compiled()
def _step(sites: int) -> int:
    """A step near the golden section of so many places that meets all of them."""
    step = max(1, int(sites * 0.6180339887498949))
    while True:
        a, b = sites, step
        while b:
            a, b = b, a % b
        if a == 1:
            return step
        step += 1


@compiled()
def _next(y: int, x: int, height: int, width: int, down: int, across: int) -> tuple[int, int]:
    """The place of a site so many rows and columns on, in reading order, after the last the first."""
    x += across
    wrapped = int(x >= width)
    y += down + wrapped
    return y - height * int(y >= height), x - width * wrapped


@compiled()
def _anneal(
    palette: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    temperature: float,
    means: NDArray[np.float64],
    field: NDArray[np.float64],
    memberships: NDArray[np.float32],
) -> None:
    """Visits every site once: its memberships become those of the mean field at a temperature.

    memberships: empty where only means are wanted.
    """
    height, width = means.shape[:2]
    entries = palette.shape[1]
    sites = height * width
    step = _step(sites)
    y, x, step_down, step_across = 0, 0, step // width, step % width
    costs, least_cost = np.empty(entries), np.empty(1)
    bits, least_bits = costs.view(np.int64), least_cost.view(np.int64)  # whole numbers in the same order
    for _ in range(sites):
        y, x = _next(y, x, height, width, step_down, step_across)
        own = _own(rows, columns, y, x)
        r = means[y, x, 0] - field[y, x, 0] / own
        g = means[y, x, 1] - field[y, x, 1] / own
        b = means[y, x, 2] - field[y, x, 2] / own
        sharpness = own / temperature
        for c in range(entries):
            costs[c] = sharpness * ((palette[0, c] - r) ** 2 + (palette[1, c] - g) ** 2 + (palette[2, c] - b) ** 2)
        lowest = bits[0]
        for c in range(1, entries):
            lowest = min(lowest, bits[c])
        least_bits[0] = lowest
        least = least_cost[0]
        total, r, g, b = 0.0, 0.0, 0.0, 0.0
        for c in range(entries):
            if costs[c] < least + IMPOSSIBLE:
                costs[c] = np.exp(least - costs[c])
                total += costs[c]
                r += costs[c] * palette[0, c]
                g += costs[c] * palette[1, c]
                b += costs[c] * palette[2, c]
            else:
                costs[c] = 0.0
        dr, dg, db = r / total - means[y, x, 0], g / total - means[y, x, 1], b / total - means[y, x, 2]
        if max(abs(dr), abs(dg), abs(db)) < SETTLED:
            continue
        if memberships.size:
            for c in range(entries):
                memberships[y, x, c] = costs[c] / total
        means[y, x, 0] += dr
        means[y, x, 1] += dg
        means[y, x, 2] += db
        _spread(field, rows, columns, y, x, dr, dg, db)


@compiled()
def _descend(
    palette: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    field: NDArray[np.float64],
    labels: NDArray[np.uint8],
) -> int:
    """Visits every site once and gives it the entry of least energy (of equals its own); how many have changed."""
    height, width = labels.shape
    sites = height * width
    step = _step(sites)
    y, x, step_down, step_across = 0, 0, step // width, step % width
    changed = 0
    for _ in range(sites):
        y, x = _next(y, x, height, width, step_down, step_across)
        own = _own(rows, columns, y, x)
        now = int(labels[y, x])
        r = palette[0, now] - field[y, x, 0] / own
        g = palette[1, now] - field[y, x, 1] / own
        b = palette[2, now] - field[y, x, 2] / own
        best = now
        least = (palette[0, now] - r) ** 2 + (palette[1, now] - g) ** 2 + (palette[2, now] - b) ** 2 - 1e-6
        for c in range(palette.shape[1]):
            cost = (palette[0, c] - r) ** 2 + (palette[1, c] - g) ** 2 + (palette[2, c] - b) ** 2
            if cost < least:
                best, least = c, cost
        if best != now:
            changed += 1
            labels[y, x] = best
            dr = palette[0, best] - palette[0, now]
            dg = palette[1, best] - palette[1, now]
            db = palette[2, best] - palette[2, now]
            _spread(field, rows, columns, y, x, dr, dg, db)
    return changed


@compiled()
def _solve(pairs: NDArray[np.float64], wanted: NDArray[np.float64], palette: NDArray[np.float64]) -> None:
    """The palette ``[3, C]`` of least energy in 0..255: Gauss-Seidel with projection, from the palette that is there.

    pairs: symmetric, ``[C, C]``; wanted: ``[3, C]``; the solution of ``pairs y = wanted`` where that is within bounds.
    An entry that no site has stays.
    """
    entries = palette.shape[1]
    for _ in range(100):
        most = 0.0
        for c in range(entries):
            if pairs[c, c] <= NEGLIGIBLE:
                continue
            for channel in range(3):
                rest = wanted[channel, c]
                for other in range(entries):
                    rest -= pairs[c, other] * palette[channel, other]
                value = min(max(palette[channel, c] + rest / pairs[c, c], 0.0), 255.0)
                most = max(most, abs(value - palette[channel, c]))
                palette[channel, c] = value
        if most < SETTLED:
            break


@compiled()
def _solve_soft(
    memberships: NDArray[np.float32],
    coupled: NDArray[np.float32],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    pull: NDArray[np.float64],
    palette: NDArray[np.float64],
) -> None:
    """The palette of least expected energy for memberships, which are independent from site to site.

    coupled: what ``_coupled`` makes of the memberships.
    """
    height, width, entries = memberships.shape
    pairs, wanted = np.zeros((entries, entries)), np.zeros((3, entries))
    for y in range(height):
        for x in range(width):
            own = _own(rows, columns, y, x)
            for c in range(entries):
                share = memberships[y, x, c]
                if share > NEGLIGIBLE:
                    for channel in range(3):
                        wanted[channel, c] += share * pull[y, x, channel]
                    pairs[c, c] += share * own
                    for other in range(entries):
                        pairs[c, other] += share * (coupled[y, x, other] - own * memberships[y, x, other])
    for c in range(entries):
        for other in range(c):
            pairs[c, other] = pairs[other, c] = (pairs[c, other] + pairs[other, c]) / 2
    _solve(pairs, wanted, palette)


@compiled()
def _solve_hard(
    labels: NDArray[np.uint8],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    pull: NDArray[np.float64],
    palette: NDArray[np.float64],
) -> None:
    """The palette of least energy for labels ``[H, W]``."""
    height, width = labels.shape
    down, across = rows.shape[1] // 2, columns.shape[1] // 2
    entries = palette.shape[1]
    pairs, wanted = np.zeros((entries, entries)), np.zeros((3, entries))
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            for channel in range(3):
                wanted[channel, label] += pull[y, x, channel]
            pairs[label, label] += _own(rows, columns, y, x) / 2
            for k in range(min(down, height - 1 - y) + 1):  # each pair of sites once
                coupling, row = rows[y, down + k], np.uintp(y + k)
                for j in range(max(-across, -x) if k else 1, min(across, width - 1 - x) + 1):
                    pairs[label, labels[row, np.uintp(x + j)]] += coupling * columns[x, across + j]
    for c in range(entries):
        for other in range(c + 1):
            pairs[c, other] = pairs[other, c] = pairs[c, other] + pairs[other, c]
    _solve(pairs, wanted, palette)


@compiled()
def _shown(labels: NDArray[np.uint8], palette: NDArray[np.float64]) -> NDArray[np.float64]:
    """The color of each site, ``[H, W, 3]``."""
    colors = np.empty((*labels.shape, 3))
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            for channel in range(3):
                colors[y, x, channel] = palette[channel, labels[y, x]]
    return colors


@compiled()
def _double(coarse: NDArray[Any], fine: NDArray[Any]) -> None:
    """Each site of ``[H, W, K]`` gets what its block has."""
    height, width, depth = fine.shape
    for y in range(height):
        for x in range(width):
            for d in range(depth):
                fine[y, x, d] = coarse[y // 2, x // 2, d]


@compiled()
def _nearest(palette: NDArray[np.float64], r: float, g: float, b: float) -> tuple[int, float]:
    """The first of the nearest entries, and its squared distance."""
    nearest, least = 0, np.inf
    for c in range(palette.shape[1]):
        distance = (palette[0, c] - r) ** 2 + (palette[1, c] - g) ** 2 + (palette[2, c] - b) ** 2
        if distance < least:
            nearest, least = c, distance
    return nearest, least


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
def _settle(
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    pull: NDArray[np.float64],
    palette: NDArray[np.float64],
    labels: NDArray[np.uint8],
    rounds: int,
) -> None:
    """The end, at temperature 0: labels and palette in turn, then the palette rounded and labels for it.

    Neither step adds energy, except for rounding.
    """
    for done in range(rounds):
        field = _coupled(rows, columns, _shown(labels, palette))
        _subtract(field, pull)
        if _descend(palette, rows, columns, field, labels) == 0 and done > 0:
            break
        _solve_hard(labels, rows, columns, pull, palette)
    for channel in range(3):
        for c in range(palette.shape[1]):
            palette[channel, c] = np.rint(palette[channel, c])
    field = _coupled(rows, columns, _shown(labels, palette))
    _subtract(field, pull)
    _descend(palette, rows, columns, field, labels)


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
    for _ in range(_level_count(height, width, entries) - 1):
        rows.append(_halved(rows[-1]))
        columns.append(_halved(columns[-1]))
    for n in range(len(images)):
        if skip[n]:
            continue
        palette = np.ascontiguousarray(palettes[n].T)
        colors = images[n].astype(np.float64)
        error = 0.0
        for y in range(height):
            for x in range(width):
                error += _nearest(palette, colors[y, x, 0], colors[y, x, 1], colors[y, x, 2])[1]
        errors[n] = max(error / (height * width), LEAST_ERROR)
        pulls = [_coupled(rows[0], columns[0], colors)]
        for _ in range(len(rows) - 1):
            pulls.append(_halved_sums(pulls[-1]))
        memberships = np.empty((len(rows[-1]), len(columns[-1]), entries), np.float32)
        memberships.fill(1 / entries)
        for done in range(len(rows)):
            level = len(rows) - 1 - done
            if done:
                finer = np.empty((len(rows[level]), len(columns[level]), entries), np.float32)
                _double(memberships, finer)
                memberships = finer
            coupled = _coupled(rows[level], columns[level], memberships)
            for number in range(done * temperatures, (done + 1) * temperatures):
                temperature = errors[n] * _temperature(number, temperatures * len(rows), first, last)
                means = _mixed(memberships, palette)
                field = _mixed(coupled, palette)
                _subtract(field, pulls[level])
                for _ in range(visits):
                    _anneal(palette, rows[level], columns[level], temperature, means, field, memberships)
                coupled = _coupled(rows[level], columns[level], memberships)
                _solve_soft(memberships, coupled, rows[level], columns[level], pulls[level], palette)
        for y in range(height):
            for x in range(width):
                indices[n, y, x] = np.argmax(memberships[y, x])
        _settle(rows[0], columns[0], pulls[0], palette, indices[n], rounds)
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
    pulls = [_tile_pull(image, profile, palette, side, top, left, indices)]
    height, width = pulls[0].shape[:2]
    rows, columns = [_couplings(height, profile)], [_couplings(width, profile)]
    for _ in range(_level_count(height, width, palette.shape[1]) - 1):
        rows.append(_halved(rows[-1]))
        columns.append(_halved(columns[-1]))
        pulls.append(_halved_sums(pulls[-1]))
    means = np.empty(pulls[-1].shape)
    for channel in range(3):
        means[:, :, channel] = palette[channel].mean()
    unwanted = np.empty((0, 0, 0), np.float32)
    for done in range(len(rows)):
        level = len(rows) - 1 - done
        if done:
            finer = np.empty(pulls[level].shape)
            _double(means, finer)
            means = finer
        field = _coupled(rows[level], columns[level], means)
        _subtract(field, pulls[level])
        for number in range(done * temperatures, (done + 1) * temperatures):
            temperature = error * _temperature(number, temperatures * len(rows), first, last)
            for _ in range(visits):
                _anneal(palette, rows[level], columns[level], temperature, means, field, unwanted)
    labels = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            labels[y, x] = _nearest(palette, means[y, x, 0], means[y, x, 1], means[y, x, 2])[0]
    field = _coupled(rows[0], columns[0], _shown(labels, palette))
    _subtract(field, pulls[0])
    for _ in range(rounds):
        if _descend(palette, rows[0], columns[0], field, labels) == 0:
            break
    for y in range(height):
        for x in range(width):
            indices[top + y, left + x] = labels[y, x]
