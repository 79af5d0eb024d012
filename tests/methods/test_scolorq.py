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
    field = loops._coupled(rows, columns, means) - loops._coupled(rows, columns, image)
    weights = filter_of(side, 0.7)
    for y, x in np.ndindex(shape):
        for channel in range(3):
            nudge = np.zeros((*shape, 3))
            nudge[y, x, channel] = 1
            above, below = (energy((means - image + sign * nudge)[None], weights)[0] for sign in (1, -1))
            assert field[y, x, channel] == pytest.approx((above - below) / 4, abs=1e-8)
            at = energy((means - image)[None], weights)[0]
            assert loops._own(rows, columns, y, x) == pytest.approx((above + below) / 2 - at, abs=1e-7)


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


def test_a_visit_gives_the_probabilities_of_the_mean_field(photos):
    image, temperature = photos[0, :4, :5].astype(float), 300.0
    palette = np.random.default_rng(0).uniform(0, 255, (3, 4))
    memberships = np.full((4, 5, 4), 0.25, np.float32)
    rows, columns = tables(4, 5)
    means = loops._mixed(memberships, palette)
    field = loops._coupled(rows, columns, means) - loops._coupled(rows, columns, image)
    expected = memberships.astype(float)
    step = loops._step(20)
    for visit in range(1, 21):
        y, x = divmod(visit * step % 20, 5)
        costs = []
        for entry in palette.T:
            errors = expected @ palette.T - image
            errors[y, x] = entry - image[y, x]
            costs.append(energy(errors[None], filter_of(3, 0.7))[0])
        shares = np.exp(-(np.array(costs) - min(costs)) / temperature)
        expected[y, x] = shares / shares.sum()
    loops._anneal(palette, rows, columns, temperature, means, field, memberships)
    assert memberships == pytest.approx(expected, abs=1e-4)
    assert means == pytest.approx(expected @ palette.T, abs=0.05)


def test_the_soft_palette_has_the_least_expected_energy(photos):
    image = photos[2, :6, :5].astype(float)
    generator = np.random.default_rng(0)
    memberships = generator.dirichlet([0.3] * 3, (6, 5)).astype(np.float32)
    draws = np.stack([generator.multinomial(1, m) for m in memberships.reshape(-1, 3) for _ in range(4000)])
    draws = draws.reshape(30, 4000, 3).transpose(1, 0, 2).reshape(4000, 6, 5, 3)
    rows, columns = tables(6, 5)
    palette = generator.uniform(0, 255, (3, 3))
    coupled = loops._coupled(rows, columns, memberships)
    loops._solve_soft(memberships, coupled, rows, columns, loops._coupled(rows, columns, image), palette)

    def expected_energy(entries):
        return energy(draws @ entries.T - image, filter_of(3, 0.7)).mean()

    least = expected_energy(palette)
    for c, channel in np.ndindex(3, 3):
        for nudge in (-12, 12):
            nudged = palette.copy()
            nudged[c, channel] = np.clip(nudged[c, channel] + nudge, 0, 255)
            assert expected_energy(nudged) >= least


def test_the_hard_palette_solves_the_linear_system(photos):
    image = photos[3].astype(float)
    labels = MedianCut().palettize(photos[3:4], 5).indices[0]
    rows, columns = tables(32, 32)
    palette = np.full((3, 5), 128.0)
    for _ in range(20):
        loops._solve_hard(labels, rows, columns, loops._coupled(rows, columns, image), palette)
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
    for image in photos[:4]:
        start = MedianCut().palettize(image[None], 6)
        labels, palette = start.indices[0].copy(), np.ascontiguousarray(start.palettes[0].T.astype(float))
        rows, columns = tables(32, 32)
        pull = loops._coupled(rows, columns, image.astype(float))
        before = energies(start, image[None])[0]
        for _ in range(4):
            loops._descend(palette, rows, columns, loops._coupled(rows, columns, palette.T[labels]) - pull, labels)
            moved = energy((palette.T[labels] - image)[None], filter_of(3, 0.7))[0]
            loops._solve_hard(labels, rows, columns, pull, palette)
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
    result = SColorQ(filter=1).palettize(photos, colors)
    assert mse(result, photos).mean() < most * mse(KMeans(n_init=3).palettize(photos, colors), photos).mean()
    nearest = Palettized(nearest_entries(photos, result.palettes), result.palettes)
    assert (mse(result, photos) == mse(nearest, photos)).all()


def test_slower_annealing_has_less_energy(photos):
    found = [energies(SColorQ(temperatures=n).palettize(photos, 8), photos).sum() for n in (1, 4, 16)]
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
