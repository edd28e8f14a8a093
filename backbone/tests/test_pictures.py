"""What the backbone may see, and how it is drawn."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone.album import open_album
from backbone.batches import NONE, Batches, Classes
from backbone.compose import KINDS, Composer
from backbone.masks import fruit_mask
from backbone.mixing import Mix, cross_entropy, cut_mix
from backbone.options import photos_of
from backbone.protocol import PROTOCOLS
from backbone.schedule import Clock, rate, side_at
from conftest import photo_on_white

from backbone import bank as banks


def test_a_mask_holds_the_fruit_with_its_highlight_and_no_ground() -> None:
    mask = fruit_mask(photo_on_white((200, 30, 30), 20))
    assert mask[50, 50] == 255
    assert mask[40, 45] == 255, "the highlight is white, but inside"
    assert not mask[:8, :8].any()
    assert not mask[-8:, -8:].any()


@pytest.mark.parametrize(
    ("path", "unseen_by"),
    [
        ("Kiwi/train-Kiwi_001.jpg", set()),
        ("Kiwi/val-Kiwi_001.jpg", {"grocery", "held-out"}),
        ("Kiwi 1/12_100.jpg", set()),
        ("Kiwi 1/r_12_100.jpg", {"axis", "held-out"}),
        ("Kiwi 1/r2_12_100.jpg", {"axis", "held-out"}),
        ("Redcurrant 1/12_100.jpg", set()),
        ("Pear Abate 1/12_100.jpg", {"varieties", "held-out"}),
    ],
)
def test_each_protocol_keeps_its_own_files_from_the_backbone(
    path: str, unseen_by: set[str]
) -> None:
    assert {name for name, rule in PROTOCOLS.items() if not rule.sees(path)} == unseen_by


def test_nothing_held_out_reaches_a_picture_or_a_head(options: argparse.Namespace) -> None:
    photos = photos_of(options)
    seen = [photos.fruit.paths[i] for i in photos.fruit_seen]
    seen += [photos.scenes.paths[i] for i in photos.scenes_seen]
    assert len(seen) == 3 * 8 + 2 * 6, "one of four varieties, all r_ frames, all val photos go"
    assert Classes.of(photos).variety == ("Apple Red 1", "Pear 1", "Tomato 1")
    composer, rng = Composer(photos), random.Random(1)
    for kind in KINDS:
        drawn = {composer.picture(rng, kind, 32)[1] for _ in range(200)}
        assert drawn <= set(photos.scenes_seen if kind == "scene" else photos.fruit_seen)


def test_a_held_out_photo_changes_no_picture(options: argparse.Namespace) -> None:
    """Backgrounds and neighbours too come from what may be seen: the rest may as well be noise."""
    photos = photos_of(options)
    spoilt = photos_of(options)
    for album, kept in ((spoilt.fruit, spoilt.fruit_seen), (spoilt.scenes, spoilt.scenes_seen)):
        pixels = np.array(album.pixels)
        pixels[[i for i in range(len(album)) if i not in set(kept)]] = 77
        object.__setattr__(album, "pixels", pixels)
    for kind in KINDS:
        for seed in range(40):
            ours, theirs = (
                Composer(p).picture(random.Random(seed), kind, 48)[0] for p in (photos, spoilt)
            )
            assert np.array_equal(ours, theirs)


def test_a_batch_depends_on_its_number_alone(options: argparse.Namespace) -> None:
    photos = photos_of(options)
    batches = Batches(Composer(photos), Classes.of(photos), None, 16, 0.4, seed=3)
    again = Batches(Composer(photos), Classes.of(photos), None, 16, 0.4, seed=3)
    again[(1, 32)]
    first, second = batches[(7, 32)], again[(7, 32)]
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["pixels"], batches[(8, 32)]["pixels"])
    assert not np.array_equal(first["variety"] >= 0, first["scene"] >= 0)


def test_mixed_pictures_have_labels_by_area_and_the_banks_stay_whole() -> None:
    pixels = torch.arange(6, dtype=torch.uint8)[:, None, None, None].repeat(1, 32, 32, 3)
    mix = cut_mix(pixels, 2, random.Random(4))
    assert torch.equal(mix.partner[:2], torch.tensor([0, 1]))
    assert (pixels[:2] == torch.arange(2)[:, None, None, None]).all()
    for row in range(2, 6):
        own = (pixels[row] == row).float().mean()
        other = (pixels[row] == mix.partner[row]).float().mean()
        assert own == pytest.approx(float(mix.share[row]), abs=1e-6)
        assert own + other == pytest.approx(1)
        assert 0 < own < 1


def test_a_mixed_loss_is_the_share_of_each_label() -> None:
    answer = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 3, NONE, 2])
    mix = Mix(torch.tensor([1, 0, 3, 2]), torch.full((4,), 0.75))
    log = -answer.log_softmax(dim=1)
    expected = [
        0.75 * log[0, 0],
        0.25 * log[0, 3],
        0.75 * log[1, 3],
        0.25 * log[1, 0],
        0.25 * log[2, 2],
        0.75 * log[3, 2],
    ]
    loss = cross_entropy(answer, labels, mix, 0.0)
    assert loss is not None
    assert float(loss) == pytest.approx(float(sum(expected)) / 3, rel=1e-5)
    assert cross_entropy(answer, torch.full((4,), NONE), mix, 0.0) is None


def test_an_album_is_decoded_once(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        album = open_album(data / "fruit", tmp_path, 40, on_white=True, say=said.append)
        assert album.pixels.shape == (64, 40, 40, 4)
    assert len(said) == 1


def test_the_teachers_axes_carry_its_variance_in_order() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 20)) * 5 + 2).astype(np.float16)
    found = banks.targets(features, 5).astype(np.float64)
    assert np.allclose((found**2).sum(axis=1).mean(), 1, atol=0.01)
    assert (found**2).mean(axis=0)[3:].max() < 1e-3, "three dimensions went in"


def test_the_schedule_ends_at_zero_and_at_the_native_size() -> None:
    clock = Clock(steps=100, hours=None, step=100)
    assert clock.progress == 1
    assert rate(clock.progress, 1.0) == pytest.approx(0, abs=1e-12)
    assert [side_at(p, (64, 80, 96)) for p in (0, 0.3, 0.5, 1)] == [64, 80, 96, 96]
