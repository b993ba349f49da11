from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flairhub.catalog.class_tables import LPIS_PARENTS_2, LPIS_PARENTS_3
from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.sample.covers import COVERS
from flairhub.sample.crops import CROPS, RIPE, ROTATION, ploughed
from flairhub.sample.fields import Grid, block_mean, smooth_field
from flairhub.sample.landscape import draw_scene
from flairhub.sample.layers import AERIAL_DAYS, render_roi
from flairhub.sample.layout import all_rois, plan
from flairhub.sample.partition import deal, voronoi
from flairhub.sample.phenology import backscatter, reflectance
from flairhub.sample.scene import Thing
from flairhub.sample.sentinel import clear_reflectance
from flairhub.sample.terrain import climate

from .conftest import sample_params


@pytest.fixture(scope="module")
def scenes():
    params = sample_params(rois_per_domain=10, patches_per_roi=4)
    return [draw_scene(roi, 32) for roi in all_rois(plan(params))]


def _thing(cover):
    return Thing(cover=cover, brightness=1.0, vigour=1.0, late_days=0.0, angle=0.0, lpis=cover.lpis[0])


def _spectra(names, days):
    return reflectance([_thing(CROPS[name]) for name in names], np.array(days, dtype=float))


def test_every_scored_land_cover_class_occurs_in_each_half(scenes):
    scored = set(taxonomy(COSIA).scored)
    for half in (scenes[:10], scenes[10:]):
        assert scored <= {int(value) for scene in half for value in np.unique(scene.cosia)}


def test_every_crop_and_background_occur(scenes):
    classes = {int(value) for scene in scenes for value in np.unique(scene.lpis[0])}
    assert classes == {CROPS[use].lpis[0][0] for use in ROTATION} | {22}
    assert len(classes) >= 9


def test_label_values_lie_in_the_taxonomies_and_their_levels_agree(scenes):
    for scene in scenes:
        assert scene.cosia.max() < taxonomy(COSIA).num_classes
        levels = scene.lpis
        for band, level in enumerate((1, 2, 3)):
            assert levels[band].max() < taxonomy(LPIS, level).num_classes
        assert np.array_equal(np.array(LPIS_PARENTS_2)[levels[1]], levels[0])
        assert np.array_equal(np.array(LPIS_PARENTS_3)[levels[2]], levels[0])


def test_heights_follow_the_cover(scenes):
    heights = {}
    for scene in scenes:
        for index in np.unique(scene.thing):
            heights.setdefault(scene.things[index].cover.name, []).append(scene.height[scene.thing == index].mean())
    assert min(np.min(heights[name]) for name in heights if name.endswith("roof")) > 3.0
    assert np.mean(heights["deciduous"]) > 5.0
    assert np.mean(heights["coniferous"]) > 7.0
    assert np.max(heights["brushwood"]) < 3.0
    for flat in ("asphalt", "concrete", "membrane", "gravel", "water", "pool", "bare soil"):
        assert np.max(heights[flat]) == 0.0


def test_water_is_level(scenes):
    seen = 0
    for scene in scenes:
        for index, thing in enumerate(scene.things):
            mask = scene.thing == index
            if thing.cover.name == "water" and mask.any():
                assert np.ptp(scene.dtm[mask]) == 0.0
                seen += 1
    assert seen


def test_a_yard_has_the_colour_of_a_roof_and_scrub_that_of_trees():
    for high, low in (("asphalt roof", "asphalt"), ("concrete roof", "concrete"), ("deciduous", "brushwood")):
        assert COVERS[high].season == COVERS[low].season
        assert COVERS[high].height_m[0] > COVERS[low].height_m[1]


@pytest.mark.parametrize(
    "group", [("wheat", "barley", "rapeseed"), ("maize", "soy", "sunflower"), ("grasses", "fodder legumes")]
)
def test_the_members_of_a_group_look_alike_on_the_aerial_image_only(group):
    at_flight = _spectra(group, AERIAL_DAYS)
    assert np.abs(at_flight - at_flight[:1]).max() < 0.06
    through_year = _spectra(group, range(20, 340, 20))
    apart = np.abs(through_year - through_year[-1:]).max(axis=(1, 2))
    assert apart[0] > 0.12


@pytest.mark.parametrize(("one", "other"), [("wheat", "barley"), ("maize", "soy")])
def test_only_the_radar_tells_a_pair_apart(one, other):
    days = np.arange(5.0, 360.0, 5.0)
    assert np.array_equal(*_spectra((one, other), days))
    first, second = backscatter([_thing(CROPS[one]), _thing(CROPS[other])], days)
    assert np.abs(10 * np.log10(first / second)).min() > 1.5


def test_the_two_polarisations_keep_a_plausible_gap():
    covers = [*COVERS.values(), *CROPS.values()]
    sigma = backscatter([_thing(cover) for cover in covers], np.arange(5.0, 360.0, 5.0))
    assert (sigma[..., 0] / sigma[..., 1]).min() > 2.0


def test_a_ploughed_parcel_is_bare_on_the_aerial_image_and_green_in_spring():
    for name in RIPE:
        bare = reflectance([_thing(ploughed(CROPS[name]))], np.array([120.0, 190.0]))[0]
        ndvi = (bare[:, 6] - bare[:, 2]) / (bare[:, 6] + bare[:, 2])
        assert ndvi[0] > 0.35
        assert ndvi[1] < 0.3


def test_reflectance_is_a_share(scenes):
    for scene in scenes[:4]:
        values = reflectance(scene.things, np.arange(1.0, 366.0, 15.0))
        assert values.min() > 0
        assert values.max() < 1.2


def test_masks_tell_where_the_surface_is_hidden():
    params = sample_params(dates=20)
    rois = list(all_rois(plan(params)))
    cloudy = clear = 0
    for roi in rois:
        layers = render_roi(roi, params)
        series, mask = layers.arrays["SENTINEL2_TS"] / 1e4, layers.arrays["SENTINEL2_MSK-SC"]
        surface = clear_reflectance(layers.scene, layers.sky)
        off = np.abs(series - surface)[:, :3].max(axis=1)
        assert mask.max() <= 100
        assert mask.dtype == np.uint16
        hidden, seen = mask[:, 1] >= 60, (mask[:, 0] == 0) & (mask[:, 1] == 0)
        # Over snow a cloud changes little in the visible; elsewhere a thick one changes much.
        dark = surface[:, :3].max(axis=1) < 0.3
        assert off[hidden & dark].min() > 0.08
        assert off[seen].max() < 0.06
        cloudy, clear = cloudy + int(hidden.sum()), clear + int(seen.sum())
    assert cloudy > 100
    assert clear > 100


def test_every_patch_keeps_clear_dates_after_the_usual_filter():
    params = sample_params(rois_per_domain=10, patches_per_roi=2, aerial_px=32, dates=20)
    for roi in all_rois(plan(params)):
        mask = render_roi(roi, params).arrays["SENTINEL2_MSK-SC"]
        assert ((mask <= 1).all(axis=1).mean(axis=(1, 2)) >= 0.95).any(), roi.key


def test_speckle_has_the_mean_and_the_spread_of_its_looks():
    params = sample_params(dates=60)
    roi = plan(params)[1].rois[1]
    layers = render_roi(roi, params)
    water = replace(COVERS["water"])
    scene = layers.scene
    scene.things[:] = [_thing(water) for _ in scene.things]
    scene.dtm[:] = 100.0
    from flairhub.sample.sentinel import LOOKS, radar_series

    series = radar_series(scene, "SENTINEL1-ASC_TS", np.arange(1.0, 361.0, 6.0))[:, 0]
    # Within one date everything but speckle is constant.
    relative = series / series.mean(axis=(1, 2), keepdims=True)
    assert relative.var() == pytest.approx(1 / LOOKS, rel=0.08)
    assert series.mean() == pytest.approx(10**-2.0, rel=0.1)


def test_smooth_fields_have_unit_variance():
    grid = Grid(height=200, width=200, gsd=1.0)
    fields = [smooth_field(np.random.default_rng(k), grid, 10.0) for k in range(30)]
    assert np.mean([field.var() for field in fields]) == pytest.approx(1.0, abs=0.06)


def test_a_smooth_field_is_the_same_ground_at_every_resolution():
    fine = smooth_field(np.random.default_rng(1), Grid(height=128, width=128, gsd=0.8), 20.0)
    coarse = smooth_field(np.random.default_rng(1), Grid(height=64, width=64, gsd=1.6), 20.0)
    assert np.abs(block_mean(fine, 64, 64) - coarse).max() < 0.02


def test_block_means_are_those_of_a_brute_force():
    values = np.random.default_rng(0).random((12, 8))
    expected = values.reshape(4, 3, 2, 4).mean(axis=(1, 3))
    assert np.allclose(block_mean(values, 4, 2), expected)


def test_voronoi_cells_are_nearest_and_borders_are_distances():
    grid = Grid(height=40, width=40, gsd=2.0)
    parts = voronoi(np.random.default_rng(3), grid, spacing_m=25.0)
    assert np.array_equal(np.unique(parts.cell), np.arange(parts.number))
    # One step across a border is two pixels' distance at most.
    changes = parts.cell[:, 1:] != parts.cell[:, :-1]
    assert np.minimum(parts.border_m[:, 1:], parts.border_m[:, :-1])[changes].max() <= 2.0
    assert parts.border_m.min() >= 0


def test_dealing_follows_the_shares():
    hand = deal(np.random.default_rng(0), {"a": 0.5, "b": 0.3, "c": 0.2}, 10)
    assert sorted(hand) == ["a"] * 5 + ["b"] * 3 + ["c"] * 2


def test_altitudes_differ_between_domains_by_tens_to_hundreds_of_metres():
    domains = plan(sample_params(train_domains=4, test_domains=3, rois_per_domain=10))
    plains = [climate(domain.rois[0]).altitude_m for domain in domains]
    assert np.ptp(plains) > 50
    assert all(20 < plain < 900 for plain in plains)
