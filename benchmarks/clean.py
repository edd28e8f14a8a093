"""Spoil a folder of photos on purpose, clean it with Orchard's findings, and train on each.

    python benchmarks/clean.py PHOTOS [--weights NAME] [--wrong 0.1] [--duplicates 0.1]

PHOTOS: a folder a class. A third of each class is put aside and never spoiled: what is trained on
the rest is asked about it. Of the rest, a share moves into the folder of another class, the same
one for each class, as by somebody who mistakes one for the other. Another share gets a duplicate,
half of them under that wrong label: the same bytes, compressed harder, or half as large.
Duplicates are then dropped, and three ways tried with suspected labels: all dropped; all
suggestions believed; and, as by a person who looks at them, those corrected that are wrong.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from PIL import Image

import orchard
from orchard.classify.answers import answer
from orchard.classify.predictor import Predictor
from orchard.findings.choose import to_drop
from orchard.progress import Reporter
from orchard.result import Result
from orchard.storage import DEFAULT
from orchard.training import TrainConfig, train


def put_aside(photos: Path, kept: Path, rng: np.random.Generator) -> tuple[list[Path], list[Path]]:
    """Copies of the photos: the third to be asked about, and the others."""
    asked, others = [], []
    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        files = sorted(folder.iterdir())
        for place, number in enumerate(rng.permutation(len(files))):
            target = asked if place < len(files) // 3 else others
            part = "asked" if target is asked else "photos"
            copy = kept / part / folder.name / files[number].name
            copy.parent.mkdir(parents=True, exist_ok=True)
            target.append(Path(shutil.copy(files[number], copy)))
    return asked, others


def spoil(
    files: list[Path], wrong: float, duplicates: float, rng: np.random.Generator
) -> tuple[dict[str, str], dict[str, str]]:
    """The true label by the path of each image whose label is wrong; how each duplicate was made,
    by its path."""
    labels = sorted({file.parent.name for file in files})
    shuffled = rng.permutation(labels).tolist()
    mistaken = dict(zip(shuffled, [*shuffled[1:], shuffled[0]], strict=True))
    chosen = rng.permutation(len(files))
    n_wrong, n_double = int(wrong * len(files)), int(duplicates * len(files))
    truth: dict[str, str] = {}
    for number in chosen[:n_wrong]:
        file = files[number]
        truth[str(moved(file, mistaken[file.parent.name]))] = file.parent.name
    doubles = {}
    for count, number in enumerate(chosen[n_wrong : n_wrong + n_double]):
        file = files[number]
        label = mistaken[file.parent.name] if count % 2 else file.parent.name
        copy = file.parent.parent / label / f"copy-{file.stem}.jpg"
        doubles[str(copy)] = copied(file, copy, count // 2 % 3)
        if label != file.parent.name:
            truth[str(copy)] = file.parent.name
    return truth, doubles


def copied(file: Path, copy: Path, how: int) -> str:
    if how == 0:
        shutil.copy(file, copy)
        return "equal bytes"
    image = Image.open(file).convert("RGB")
    if how == 1:
        image.save(copy, quality=40)
        return "compressed harder"
    image.resize((image.width // 2, image.height // 2)).save(copy, quality=80)
    return "half as large"


def original(copy: str, scratch: str) -> str:
    name = Path(copy).name.removeprefix("copy-")
    return next(str(p) for p in Path(scratch, "photos").rglob(name))


def moved(file: Path, label: str) -> Path:
    return file.rename(file.parent.parent / label / f"{file.parent.name}-{file.name}")


def accuracy(result: Result, asked: list[Path]) -> float:
    """Of a classifier trained on the result, on the photos put aside."""
    train(TrainConfig(output=result.output, kind="logistic", folds=2), Reporter(quiet=True))
    predictor = Predictor.load(result.output, None, storage=DEFAULT, threads=2)
    rows = answer(predictor, [str(file) for file in asked], 1, DEFAULT, None, max_pixels=10**8)
    right = [row["varieties"][0]["label"] == Path(row["path"]).parent.name for row in rows]
    assert len(right) == len(asked)
    return float(np.mean(right))


def write_decisions(place: Path, drops: set[str], relabels: dict[str, str]) -> None:
    with place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "decision", "label"])
        writer.writerows([path, "drop", ""] for path in sorted(drops))
        writer.writerows(
            [path, "relabel", label] for path, label in relabels.items() if path not in drops
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--wrong", type=float, default=0.1)
    parser.add_argument("--duplicates", type=float, default=0.1)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        asked, others = put_aside(given.photos, Path(scratch), rng)
        truth, doubles = spoil(others, given.wrong, given.duplicates, rng)
        settings = {"weights": given.weights, "precision": "int8", "report": False}
        source, output = f"{scratch}/photos", f"{scratch}/result"
        result = orchard.run(sources=source, output=output, reporter=Reporter(), **settings)
        seconds = result.record["seconds"]
        print(f"findings: {seconds['report']:.1f} s of {seconds['total']:.1f} s")
        rows = result.findings()
        drops = set(to_drop(rows))
        suspects = rows.filter(pc.equal(rows["kind"], "wrong_label")).to_pylist()
        relabels = {row["path"]: row["suggested_label"] for row in suspects}
        hits = relabels.keys() & truth.keys()
        suggested = np.mean([relabels[path] == truth[path] for path in hits])
        print(
            f"wrong labels: {len(truth)} put in, {len(relabels)} found, {len(hits)} of them right"
        )
        print(f"  precision {len(hits) / len(relabels):.2f}, recall {len(hits) / len(truth):.2f}")
        print(f"  suggested label right: {suggested:.2f}")
        for how in sorted(set(doubles.values())):
            made = [path for path in doubles if doubles[path] == how]
            n_gone = sum(path in drops or original(path, scratch) in drops for path in made)
            print(f"duplicates, {how}: {len(made)} put in, {n_gone} found")
        print(f"to drop: {len(drops)}")
        print(f"accuracy on {len(asked)} photos put aside: {accuracy(result, asked):.3f} spoiled")
        corrected = {path: truth[path] for path in hits}
        for what, dropped, relabelled in (
            ("duplicates and suspects dropped", drops | relabels.keys(), {}),
            ("duplicates dropped, suggested labels believed", drops, relabels),
            ("duplicates dropped, suspects looked at", drops, corrected),
        ):
            place = Path(scratch, "decisions.csv")
            write_decisions(place, dropped, relabelled)
            settings |= {"labels": str(place), "exclude_from": str(place)}
            cleaned = orchard.run(sources=source, output=output, reporter=Reporter(), **settings)
            print(f"  {accuracy(cleaned, asked):.3f} {what}")


if __name__ == "__main__":
    main()
