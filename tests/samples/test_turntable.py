from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchard.errors import ConfigError, SourceError
from orchard.samples import turntable
from orchard.samples.rendered.cluster import Cluster
from orchard.samples.rendered.foliage import Foliage, leaf
from orchard.samples.rendered.view import View
from orchard.samples.turntable import SPECIES, _frames, render, write_sample

WHITE = np.array([255, 255, 255])


def fruit_mask(image: np.ndarray) -> np.ndarray:
    return (image != WHITE).any(axis=2)


def digests(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("species", SPECIES)
def test_a_fruit_stands_whole_on_white_ground(species: str, axis: int) -> None:
    for angle in (0, 45, 90, 180, 300):
        image = render(species, angle, axis=axis)
        assert image.shape == (100, 100, 3)
        assert image.dtype == np.uint8
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert (border == 255).all()
        assert 0.08 < fruit_mask(image).mean() < 0.75


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("species", SPECIES)
def test_every_frame_of_a_turn_differs_and_a_full_turn_returns(species: str, axis: int) -> None:
    frames = [render(species, angle, axis=axis).tobytes() for angle in (0, 1, 90, 180, 270)]
    assert len(set(frames)) == len(frames)
    assert render(species, 360, axis=axis).tobytes() == frames[0]
    assert render(species, -90, axis=axis).tobytes() == frames[4]


def test_species_differ_more_than_the_frames_of_one_do() -> None:
    """A mean colour over the fruit alone tells most species apart."""
    means = {
        s: [i[fruit_mask(i)].mean(axis=0) for i in (render(s, a) for a in (0, 90, 180, 270))]
        for s in SPECIES
    }
    right = sum(
        min(SPECIES, key=lambda s: np.linalg.norm(np.mean(means[s], axis=0) - colour)) == species
        for species in SPECIES
        for colour in means[species]
    )
    assert right >= 0.8 * 4 * len(SPECIES)


@pytest.mark.parametrize("species", SPECIES)
def test_individuals_differ_and_keep_their_seed(species: str) -> None:
    def picture(**which: int) -> bytes:
        return render(species, 30, **which).tobytes()

    assert len({picture(), picture(seed=1), picture(individual=1)}) == 3
    assert picture(seed=1) == picture(seed=1)


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_larger_picture_shows_the_same_outline(species: str, axis: int) -> None:
    small = fruit_mask(render(species, 40, axis=axis, size=64))
    large = fruit_mask(render(species, 40, axis=axis, size=129))
    resized = np.array(Image.fromarray(large).resize((64, 64), Image.Resampling.BILINEAR))
    assert (small != resized).mean() < 0.05  # pixels of the outline, each counted whole


def test_turning_end_over_end_shows_both_ends_of_a_pear() -> None:
    side_on = fruit_mask(render("Pear", 0, axis=1)).any(axis=0).sum()
    end_on = fruit_mask(render("Pear", 90, axis=1)).any(axis=0).sum()
    assert side_on > 1.15 * end_on


def test_half_a_turn_end_over_end_mirrors_the_outline() -> None:
    """An orange, without foliage, is symmetric about its axis."""
    near, far = (fruit_mask(render("Orange", a, axis=1)) for a in (30, 150))
    assert (near == far[:, ::-1]).all()


def test_a_turn_end_over_end_has_no_jump() -> None:
    """The parts of the turn are solved apart; they must meet where the fruit shows its ends."""
    frames = [render("Apple Red", a, axis=1).astype(int) for a in np.arange(0, 360, 3) + 1.5]
    steps = [np.abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1], strict=True)]
    assert max(steps) < 2.5 * np.median(steps)


def test_outlines_stay_sharp_in_large_pictures() -> None:
    """At most two pixels of a way into the fruit are blends with the ground."""
    blue = render("Orange", 0, size=600)[..., 2]
    for way in (blue[300, :300], blue[300, :300:-1], blue[:300, 300], blue[:300:-1, 300]):
        assert ((way < 255) & (way > 120)).sum() <= 2


def test_stems_stand_out_above_the_fruit_all_the_way_round() -> None:
    for species in ("Cherry", "Pear"):
        for angle in range(0, 360, 30):
            rows = fruit_mask(render(species, angle)).sum(axis=1)
            assert (rows[rows > 0][:5] <= 9).all(), (species, angle)


def test_the_nearer_ball_of_a_cluster_covers_the_farther() -> None:
    pair = Cluster(np.array([[0.0, 0.3, 0.0], [0.0, -0.3, 0.0]]), np.array([0.5, 0.5]))
    for spin, nearer in ((0.0, 0), (np.pi, 1)):
        seen = pair.seen(View(0.0, spin, upright=True), 100)
        centre = seen.v[seen.pixel == 50 * 100 + 50]
        assert centre.tolist() == [(nearer + 0.5) / 2]


def test_the_edges_of_foliage_do_not_glow() -> None:
    """Averaged edges hold colour in proportion to their alpha, else they would add light."""
    leaves = Foliage.of([leaf(1.0, (0, 0), (0.4, 0.4), (0.8, 0), 0.2, "#ffffff")], 0.0, 1.0)
    assert leaves is not None
    layer = next(filter(None, leaves.layers(View(0.3, 0.0, upright=True), 100)))
    alpha = layer.rgba[..., 3:]
    assert ((alpha > 0) & (alpha < 255)).any()
    assert (layer.rgba[..., :3] <= alpha).all()


def test_pixels_do_not_depend_on_the_process_or_on_what_was_drawn_before() -> None:
    program = (
        "import hashlib; from orchard.samples.turntable import render, SPECIES;"
        "print(hashlib.sha256(b''.join(render(s, 77, axis=a).tobytes()"
        " for s in reversed(SPECIES) for a in (1, 0))).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    here = b"".join(render(s, 77, axis=a).tobytes() for s in reversed(SPECIES) for a in (1, 0))
    assert done.stdout.decode().strip() == hashlib.sha256(here).hexdigest()


def test_a_sample_is_spread_evenly_and_named_as_fruits_360(tmp_path: Path) -> None:
    seen: list[int] = []
    assert write_sample(tmp_path, on_progress=seen.append) == 494
    assert seen == list(range(1, 495))
    files = list(tmp_path.rglob("*"))
    assert Counter(p.parent.name for p in files if p.is_file()) == dict.fromkeys(SPECIES, 38)
    names = {p.name for p in (tmp_path / "Banana").iterdir()}
    upright = sorted(int(n.split("_")[0]) for n in names if not n.startswith("r_"))
    assert names == {f"{p}{i}_100.jpg" for p in ("", "r_") for i in upright}
    assert set(np.diff(upright)) <= {18, 19}
    with Image.open(tmp_path / "Banana" / "r_18_100.jpg") as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (100, 100))
        assert b"rendered" in image.info["comment"]
        drift = np.abs(np.asarray(image).astype(int) - render("Banana", 18, axis=1)).mean()
    assert drift < 3  # levels of 255: what JPEG loses


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_sample(tmp_path / name, 60, seed=seed)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    for path in a:
        with Image.open(tmp_path / "a" / path) as one, Image.open(tmp_path / "c" / path) as other:
            assert one.tobytes() != other.tobytes(), path


def test_several_processes_render_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turntable, "PER_PROCESS", 20)
    seen: list[int] = []
    written = write_sample(tmp_path / "a", 60, processes=2, on_progress=seen.append)
    assert (written, seen[-1]) == (60, 60)
    assert len(seen) < 60, "they were not rendered here, one by one"
    write_sample(tmp_path / "b", 60)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    (tmp_path / "c").write_text("a file")
    with pytest.raises(SourceError, match=r"Not a directory: expected a directory"):
        write_sample(tmp_path / "c", 60, processes=2)


def test_a_second_call_writes_nothing(tmp_path: Path) -> None:
    write_sample(tmp_path, 40)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert write_sample(tmp_path, 40) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_an_interrupted_sample_is_completed(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path / "a", 60, on_progress=stop)
    whole = digests(tmp_path / "a")
    assert len(whole) == 25
    half = tmp_path / "a" / next(iter(whole))
    half.write_bytes(half.read_bytes()[:900])
    assert write_sample(tmp_path / "a", 60) == 60 - 25 + 1
    write_sample(tmp_path / "b", 60)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(SourceError, match=r"No space left on device: expected a directory"):
            write_sample(tmp_path, 20)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert write_sample(tmp_path, 20) == 20


def test_a_sample_beyond_a_turn_shows_further_individuals(tmp_path: Path) -> None:
    frames = [f for f in _frames(2 * 361 * len(SPECIES)) if f.species == "Cherry"]
    assert len({(f.axis, f.number) for f in frames}) == len(frames) == 2 * 361
    assert {f.number // 360 for f in frames} == {0, 1}
    first, second = (next(f for f in frames if f.number // 360 == k) for k in (0, 1))
    assert first.encoded(0, 100) != second.encoded(0, 100)


def test_other_files_are_left_and_a_taken_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Banana").mkdir()
    (tmp_path / "Banana" / "mine.txt").write_text("mine")
    taken = tmp_path / "Banana" / "0_100.jpg"
    taken.write_bytes(b"my photo")
    with pytest.raises(SourceError, match=r"0_100\.jpg: expected nothing, or an image that Orch"):
        write_sample(tmp_path, 30)
    assert taken.read_bytes() == b"my photo"
    taken.unlink()
    write_sample(tmp_path, 30)
    assert (tmp_path / "Banana" / "mine.txt").read_text() == "mine"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match=r"file/Apple Golden/0_100\.jpg: Not a directory: exp"):
        write_sample(tmp_path / "file", 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"species": "Durian"}, "species 'Durian': expected one of Apple Golden, Apple Red"),
        ({"axis": 2}, r"axis 2: expected 0 \(upright\) or 1"),
        ({"angle": float("nan")}, "angle nan: expected a finite number of degrees"),
        ({"seed": -1}, "seed -1: expected a whole number of at least 0"),
        ({"size": 8}, "size 8: expected a whole number of pixels from 16 to 1024"),
    ],
)
def test_a_setting_out_of_range_is_explained(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        render(**({"species": "Pear", "angle": 0.0} | settings))  # type: ignore[arg-type]


def test_a_sample_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="count 0: expected a whole number of at least 1"):
        write_sample(tmp_path / "x", 0)
    assert not (tmp_path / "x").exists()
