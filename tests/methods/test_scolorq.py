import numpy as np
import pytest
from scipy.signal import convolve
from sklearn.datasets import load_sample_images

from harness.contracts import Palettized
from methods import scolorq_loops as loops
from methods.kmeans import KMeans
from methods.median_cut import MedianCut
from methods.palettes import nearest_entries
from methods.scolorq import SColorQ, mosaic_of


def filter_of(side, width):
    places = np.arange(side) - side // 2
    weights = np.exp(-(places[:, None] ** 2 + places**2) / (2 * width**2))
    return weights / weights.sum()


def energy(errors, weights):
    """Of each image of ``[N, H, W, 3]``: the filter laid at every place where it meets the image, 0 beyond."""
    return (convolve(errors, weights[None, :, :, None]) ** 2).sum(axis=(1, 2, 3))


def energies(result, images, side=3, width=0.7):
    return energy(result.render().astype(float) - images, filter_of(side, width))


def tables(height, width, side=3, levels=1):
    profile = SColorQ(filter=side)._profile()
    rows, columns = loops._couplings(height, profile), loops._couplings(width, profile)
    for _ in range(levels - 1):
        rows, columns = loops._halved(rows), loops._halved(columns)
    return rows, columns


@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize("shape", [(9, 6), (1, 7), (2, 1)])
def test_field_is_half_the_slope_of_the_energy(side, shape):
    generator = np.random.default_rng(0)
    image, means = generator.uniform(0, 255, (2, *shape, 3))
    rows, columns = tables(*shape, side)
    sheets = loops._sheets(rows, columns)
    field = loops._coupled(rows, columns, means) - loops._coupled(rows, columns, image)
    weights = filter_of(side, 0.7)
    for y, x in np.ndindex(shape):
        for channel in range(3):
            nudge = np.zeros((*shape, 3))
            nudge[y, x, channel] = 1
            above, below = (energy((means - image + sign * nudge)[None], weights)[0] for sign in (1, -1))
            assert field[y, x, channel] == pytest.approx((above - below) / 4, abs=1e-8)
            at = energy((means - image)[None], weights)[0]
            assert sheets.own[loops._place(sheets, y, x)] == pytest.approx((above + below) / 2 - at, abs=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (7, 5), (1, 9)])
def test_coarse_levels_have_the_energy_of_blocks_of_pixels(shape):
    generator = np.random.default_rng(0)
    coarse_shape = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    image, means = generator.uniform(0, 255, (*shape, 3)), generator.uniform(0, 255, (*coarse_shape, 3))
    rows, columns = tables(*shape)
    pull = loops._halved_sums(loops._coupled(rows, columns, image))
    found = (means * (loops._coupled(*tables(*shape, levels=2), means) - 2 * pull)).sum()
    fine = means.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]]
    weights = filter_of(3, 0.7)
    assert found == pytest.approx(energy((fine - image)[None], weights)[0] - energy(image[None], weights)[0])


def sheets_of(shape, side=3, levels=1):
    return loops._sheets(*tables(*shape, side, levels))


def laid_out(sheets, values):
    """``[H, W, K]`` in sheets ``[S, K, P]``."""
    laid = loops._room(sheets, values.shape[2])
    for y, x in np.ndindex(values.shape[:2]):
        sheet, place = loops._place(sheets, y, x)
        laid[sheet, :, place] = values[y, x]
    return laid


def read_off(sheets, laid, shape):
    """``[S, K, P]`` as ``[H, W, K]``."""
    values = np.empty((*shape, laid.shape[1]))
    for y, x in np.ndindex(shape):
        sheet, place = loops._place(sheets, y, x)
        values[y, x] = laid[sheet, :, place]
    return values


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize("shape", [(9, 6), (1, 7), (2, 1), (70, 41)])
def test_sheets_hold_each_site_once_and_tell_its_best_color(shape, side, levels):
    rows, columns = tables(*shape, side, levels)
    sheets = loops._sheets(rows, columns)
    shape = len(rows), len(columns)
    places = {loops._place(sheets, y, x) for y, x in np.ndindex(shape)}
    assert len(places) == shape[0] * shape[1]
    assert {turn * loops.STEP % len(sheets.own) for turn in range(len(sheets.own))} == set(range(len(sheets.own)))
    generator = np.random.default_rng(0)
    means, pull = generator.uniform(0, 255, (2, *shape, 3))
    own = rows[:, rows.shape[1] // 2, None] * columns[:, columns.shape[1] // 2]
    wanted = means - (loops._coupled(rows, columns, means) - pull) / own[..., None]
    laid, pulls = laid_out(sheets, means), loops._laid_out(sheets, pull)
    assert (laid_out(sheets, pull) == pulls).all()
    found = np.zeros_like(laid)
    start, extent = sheets.wide + 1, sheets.extent
    room = np.empty(3 * extent, np.float32)
    for sheet in range(len(found)):
        colors = np.empty((3, extent), np.float32)
        below, beside = divmod(sheet, len(sheets.across))
        loops._gather(sheets, laid, pulls, below, beside, start, colors, room)
        found[sheet, :, start : start + extent] = colors
    assert read_off(sheets, found, shape) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("shape", [(8, 8), (7, 5), (1, 9)])
def test_each_site_gets_the_color_of_its_block(shape):
    coarse_shape = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    colors = np.random.default_rng(0).integers(0, 256, (*coarse_shape, 3)).astype(float)
    fine, coarse = sheets_of(shape), sheets_of(shape, levels=2)
    found = loops._doubled(loops._laid_out(coarse, colors), coarse, fine, *shape)
    wanted = colors.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]]
    assert (read_off(fine, found, shape) == wanted).all()


def test_a_visit_gives_the_probabilities_of_the_mean_field(photos):
    image, temperature = photos[0, :4, :5].astype(float), 300.0
    palette = np.random.default_rng(0).uniform(0, 255, (3, 4))
    sheets, expected = sheets_of((4, 5)), np.full((4, 5, 4), 0.25)
    means = laid_out(sheets, expected @ palette.T)
    memberships = laid_out(sheets, expected)
    pull = loops._laid_out(sheets, loops._coupled(*tables(4, 5), image))
    for turn in range(9):
        number = turn * loops.STEP % 9
        for y, x in np.ndindex(4, 5):
            if loops._place(sheets, y, x)[0] != number:
                continue
            costs = []
            for entry in palette.T:
                errors = expected @ palette.T - image
                errors[y, x] = entry - image[y, x]
                costs.append(energy(errors[None], filter_of(3, 0.7))[0])
            shares = np.exp(-(np.array(costs) - min(costs)) / temperature)
            expected[y, x] = shares / shares.sum()
    loops._anneal(sheets, palette, temperature, pull, means, memberships)
    assert read_off(sheets, memberships, (4, 5)) == pytest.approx(expected, abs=1e-4)
    assert read_off(sheets, means, (4, 5)) == pytest.approx(expected @ palette.T, abs=0.05)
    mixed = np.zeros_like(means)
    loops._mix(memberships, palette, mixed)
    assert read_off(sheets, mixed, (4, 5)) == pytest.approx(expected @ palette.T, abs=0.05)


def test_the_soft_palette_has_the_least_expected_energy(photos):
    image = photos[2, :6, :5].astype(float)
    generator = np.random.default_rng(0)
    memberships = generator.dirichlet([0.3] * 3, (6, 5)).astype(np.float32)
    draws = np.stack([generator.multinomial(1, m) for m in memberships.reshape(-1, 3) for _ in range(4000)])
    draws = draws.reshape(30, 4000, 3).transpose(1, 0, 2).reshape(4000, 6, 5, 3)
    sheets = sheets_of((6, 5))
    palette = generator.uniform(0, 255, (3, 3))
    pull = loops._laid_out(sheets, loops._coupled(*tables(6, 5), image))
    loops._solve_soft(sheets, laid_out(sheets, memberships), pull, loops._room(sheets, 3), palette)

    def expected_energy(entries):
        return energy(draws @ entries.T - image, filter_of(3, 0.7)).mean()

    least = expected_energy(palette)
    for c, channel in np.ndindex(3, 3):
        for nudge in (-12, 12):
            nudged = palette.copy()
            nudged[c, channel] = np.clip(nudged[c, channel] + nudge, 0, 255)
            assert expected_energy(nudged) >= least


@pytest.mark.parametrize("certain", [True, False])
def test_the_palette_of_labels_solves_the_linear_system(photos, certain):
    image = photos[3].astype(float)
    labels = MedianCut().palettize(photos[3:4], 5).indices[0]
    sheets, palette = sheets_of((32, 32)), np.full((3, 5), 128.0)
    pull = loops._laid_out(sheets, loops._coupled(*tables(32, 32), image))
    laid, shares = laid_out(sheets, labels[..., None])[:, 0].astype(np.uint8), loops._room(sheets, 5)
    for _ in range(20):
        if certain:
            loops._certain(laid, shares)
            loops._solve_soft(sheets, shares, pull, loops._room(sheets, 5), palette)
        else:
            loops._solve_hard(sheets, laid, pull, palette)
    seen = [convolve((labels == c).astype(float), filter_of(3, 0.7)).ravel() for c in range(5)]
    wanted = [convolve(image[..., channel], filter_of(3, 0.7)).ravel() for channel in range(3)]
    exact = np.linalg.lstsq(np.stack(seen, axis=1), np.stack(wanted, axis=1), rcond=None)[0]
    assert ((exact > 0) & (exact < 255)).all(), "the bounds do not matter here"
    assert np.abs(palette.T - exact).max() < 0.1


def test_entries_stay_within_bounds_and_are_the_best_there():
    pairs, wanted = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[600.0, 100.0]] * 3)
    palette = np.full((3, 2), 100.0)
    loops._solve(pairs, wanted, palette)
    assert palette[:, 0] == pytest.approx([255] * 3)  # without bounds 340 and below 0
    assert palette[:, 1] == pytest.approx([0] * 3)


def test_the_end_never_adds_energy(photos):
    sheets, labels = sheets_of((32, 32)), np.empty((32, 32), np.uint8)
    for image in photos[:4]:
        start = MedianCut().palettize(image[None], 6)
        palette = np.ascontiguousarray(start.palettes[0].T.astype(float))
        laid = laid_out(sheets, start.indices[0][..., None])[:, 0].astype(np.uint8)
        pull = loops._laid_out(sheets, loops._coupled(*tables(32, 32), image.astype(float)))
        means = loops._room(sheets, 3)
        before = energies(start, image[None])[0]
        for _ in range(4):
            loops._show(palette, laid, means)
            loops._descend(sheets, palette, pull, means, laid)
            loops._read_off(sheets, laid, labels)
            moved = energy((palette.T[labels] - image)[None], filter_of(3, 0.7))[0]
            loops._solve_hard(sheets, laid, pull, palette)
            solved = energy((palette.T[labels] - image)[None], filter_of(3, 0.7))[0]
            assert solved <= moved + 1e-6 <= before + 2e-6
            before = solved


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize(("colors", "share"), [(2, 0.75), (4, 0.75), (16, 0.75), (64, 0.95)])
def test_energy_is_below_that_of_k_means_and_of_dithering(photos, colors, share, side):
    found = energies(SColorQ(filter=side).palettize(photos, colors), photos, side)
    kmeans = energies(KMeans(n_init=3).palettize(photos, colors), photos, side)
    dithered = energies(MedianCut(dither="floyd-steinberg").palettize(photos, colors), photos, side)
    assert colors == 64 or (found < dithered).all(), "some of these images have hardly more than 64 colors"
    assert found.sum() < share * dithered.sum()
    assert found.sum() < share * kmeans.sum()


@pytest.mark.parametrize("colors", [2, 4, 16])
def test_no_single_pixel_can_be_given_a_better_color(photos, colors):
    images = photos[:3, :8, :9]
    result = SColorQ(rounds=50).palettize(images, colors)
    least = energies(result, images)
    for y, x, c in np.ndindex(8, 9, colors):
        changed = result.render().astype(float)
        changed[:, y, x] = result.palettes[:, c]
        assert (energy(changed - images, filter_of(3, 0.7)) >= least - 0.01).all()


@pytest.mark.parametrize(("colors", "most"), [(2, 1.01), (4, 1.01), (16, 1.03), (64, 1.05)])
def test_without_a_filter_it_is_k_means(photos, mse, colors, most):
    result = SColorQ(filter=1, rounds=10).palettize(photos, colors)
    assert mse(result, photos).mean() < most * mse(KMeans(n_init=3).palettize(photos, colors), photos).mean()
    nearest = Palettized(nearest_entries(photos, result.palettes), result.palettes)
    assert (mse(result, photos) == mse(nearest, photos)).all()


@pytest.mark.parametrize("colors", [8, 32])
def test_slower_annealing_has_less_energy(photos, colors):
    found = [energies(SColorQ(temperatures=n).palettize(photos, colors), photos).sum() for n in (1, 4, 16)]
    assert found == sorted(found, reverse=True)


def test_the_wider_the_filter_the_more_is_dithered(photos):
    shares = []
    for width in (0.3, 0.6, 1.2):
        result = SColorQ(width=width).palettize(photos, 4)
        shares.append((result.indices != nearest_entries(photos, result.palettes)).mean())
    assert shares == sorted(shares)
    assert shares[0] < 0.05 < 0.3 < shares[-1]


def test_the_seed_matters(photos):
    first, second = (SColorQ(seed=seed).palettize(photos, 8).palettes for seed in (0, 1))
    assert (first != second).any()


def test_images_with_few_colors_stay_as_they_are(special):
    result = SColorQ().palettize(special, 64).render()
    for image, reduced in zip(special, result, strict=True):
        if len(np.unique(image.reshape(-1, 3), axis=0)) <= 64:
            assert (reduced == image).all()


@pytest.fixture
def _small_tiles(monkeypatch):
    monkeypatch.setattr("methods.scolorq.WHOLE", 1 << 14)
    monkeypatch.setattr("methods.scolorq.TILE_SIDE", 24)


def photograph():
    return load_sample_images().images[0][None, 100:223, 300:450]


@pytest.mark.usefixtures("_small_tiles")
def test_tiles_are_nearly_as_good_as_the_whole(monkeypatch):
    image = photograph()
    in_tiles = energies(SColorQ().palettize(image, 8), image)[0]
    monkeypatch.setattr("methods.scolorq.WHOLE", 1 << 18)
    whole = energies(SColorQ().palettize(image, 8), image)[0]
    assert 0.95 * whole < in_tiles < 1.2 * whole
    assert in_tiles < energies(MedianCut(dither="floyd-steinberg").palettize(image, 8), image)[0]


@pytest.mark.usefixtures("_small_tiles")
def test_pixels_at_the_seams_of_tiles_are_as_good_as_others():
    image = photograph()
    errors = SColorQ().palettize(image, 8).render().astype(float) - image
    seen = (convolve(errors[0], filter_of(3, 0.7)[:, :, None], mode="same") ** 2).sum(axis=-1)
    at_seams = np.isin(np.arange(123) % 24, (23, 0))[:, None] | np.isin(np.arange(150) % 24, (23, 0))
    assert seen[at_seams].mean() < 1.2 * seen[~at_seams].mean()


@pytest.mark.usefixtures("_small_tiles")
def test_tiles_do_not_depend_on_threads(monkeypatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(SColorQ().palettize(photograph(), 4).indices)
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize("shape", [(300, 700), (2000, 7), (1, 9000), (65, 65)])
def test_mosaics_are_spread_over_the_image(shape):
    image = np.stack(np.broadcast_arrays(*np.ogrid[: shape[0], : shape[1]], 0), axis=-1)
    mosaic = mosaic_of(image, 4096)
    assert 1024 <= len(mosaic) * len(mosaic[0]) <= 4096 or mosaic.shape == image.shape
    for axis in (0, 1):
        assert mosaic[..., axis].min() == 0
        if mosaic.shape[axis] >= 64:
            assert mosaic[..., axis].max() == shape[axis] - 1
