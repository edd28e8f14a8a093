"""`orchard train` and `orchard predict` as their user meets them."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from orchard.classify import answers
from orchard.classify.files import classifier_ids, current_id
from orchard.classify.predictor import Guess, Prediction
from orchard.cli import main
from orchard.errors import ConfigError
from orchard.progress import Reporter
from orchard.store.output import Output
from orchard.training import TrainConfig, Trained, train


def orchard(*arguments: object, input: bytes | None = None) -> Result:
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(main, [str(argument) for argument in arguments], input=input)


def lines(found: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.stdout.splitlines()]


def test_training_says_what_both_splits_give(trained_copy: Path) -> None:
    found = orchard("train", trained_copy, "--kind", "svm", "--label", "species", "--folds", 2)
    assert found.exit_code == 0
    assert re.search(r"naive +│ fine .*\n.*naive +│ species", found.stdout)
    classifier, page, serve = found.stdout.splitlines()[-3:]
    classifier_id = classifier.removeprefix("Classifier: ")
    assert page == f"Page: {trained_copy}/report/classifier.html"
    assert (trained_copy / "report/classifier.html").is_file()
    assert serve == f"Try it on a phone: orchard serve {trained_copy}"
    assert current_id(Output.at(trained_copy)) == classifier_id
    assert len(classifier_ids(Output.at(trained_copy))) == 2  # the one that was there stays


def test_a_species_classifier_tells_no_varieties(trained_copy: Path, rendered: Path) -> None:
    orchard(
        "train", trained_copy, "--kind", "logistic", "--label", "species", "--folds", 2, "--quiet"
    )
    picture = min(rendered.glob("Apple*/*.jpg"))
    (found,) = lines(orchard("predict", trained_copy, picture))
    assert found["varieties"] == []
    assert found["species"][0]["label"] == "apple"


def test_training_twice_gives_the_same_head(rendered_result: Path, tmp_path: Path) -> None:
    copies = [shutil.copytree(rendered_result, tmp_path / name) for name in "ab"]
    heads = []
    for copy in copies:
        done = train(TrainConfig(output=str(copy), kind="forest", folds=2), Reporter(quiet=True))
        heads.append(done.card.files["classifier.safetensors"])
    assert heads[0] == heads[1]


def test_a_folder_is_answered_line_by_line(
    rendered_result: Path, trained: Trained, rendered: Path
) -> None:
    found = orchard("predict", rendered_result, rendered / "Banana", "--top", 2)
    assert found.exit_code == 0
    rows = lines(found)
    assert [row["path"] for row in rows] == sorted(map(str, (rendered / "Banana").iterdir()))
    for row in rows:
        assert [key for key in row if key != "note"] == [
            "path",
            "answer",
            "species",
            "varieties",
            "nearest",
            "seconds",
        ]
        assert row["answer"] in ("sure", "unlike", "either", "not_sure", "not_a_fruit")
        assert len(row["species"]) == len(row["nearest"]) == 2
    assert {row["varieties"][0]["label"] for row in rows} == {"Banana"}


def test_the_photos_of_a_folder_together_give_one_answer(
    rendered_result: Path, trained: Trained, rendered: Path, tmp_path: Path
) -> None:
    for name in ("Banana", "Lemon"):
        (tmp_path / name).mkdir()
        for photo in sorted((rendered / name).iterdir())[:3]:
            shutil.copy(photo, tmp_path / name)
    (tmp_path / "Lemon/broken.jpg").write_text("text")
    found = orchard("predict", rendered_result, "--together", tmp_path)
    assert found.exit_code == 7
    assert "1 of 7 images could not be read" in found.stderr
    banana, lemon = lines(found)
    assert [row["path"] for row in (banana, lemon)] == [
        str(tmp_path / name) for name in ("Banana", "Lemon")
    ]
    assert [row["varieties"][0]["label"] for row in (banana, lemon)] == ["Banana", "Lemon"]
    assert len(banana["photos"]) == len(lemon["photos"]) == 3
    assert "unread" not in banana
    assert lemon["unread"][0]["error"]["reason"] == "not_an_image"


def test_an_answer_unlike_what_is_known_says_so() -> None:
    guess = Guess("pineapple", 0.98)
    found = answers.row("photo.jpg", Prediction("unlike", (guess,)))
    assert found["answer"] == "unlike"
    assert found["note"] == "Looks like a pineapple, though unlike those I know"
    assert "note" not in answers.row("photo.jpg", Prediction("sure", (guess,)))


def test_an_image_on_standard_input(
    rendered_result: Path, trained: Trained, rendered: Path
) -> None:
    picture = min((rendered / "Banana").iterdir())
    (found,) = lines(orchard("predict", rendered_result, "-", input=picture.read_bytes()))
    assert (found["path"], found["species"][0]["label"]) == ("-", "banana")


def test_paths_on_standard_input(rendered_result: Path, trained: Trained, rendered: Path) -> None:
    pictures = sorted(map(str, (rendered / "Lemon").iterdir()))[:3]
    found = orchard(
        "predict", rendered_result, "--from-file", "-", input="\n".join(pictures).encode()
    )
    assert [row["path"] for row in lines(found)] == pictures


def test_a_bad_image_is_a_line_with_its_reason(
    rendered_result: Path, trained: Trained, rendered: Path, tmp_path: Path
) -> None:
    shutil.copy(min((rendered / "Banana").iterdir()), tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"")
    (tmp_path / "c.jpg").write_text("text")
    found = orchard("predict", rendered_result, tmp_path)
    assert found.exit_code == 7
    assert "2 of 3 images could not be read" in found.stderr
    good, empty, text = lines(found)
    assert "error" not in good
    assert empty["error"]["reason"] == "empty"
    assert text["error"]["reason"] == "not_an_image"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("/nowhere.jpg",), 3, "no such folder, file or pattern"),
        ((), 2, "nothing to look at"),
        (("-", "--top", "0"), 2, "--top 0: expected"),
        (("-", "--threads", "0"), 2, "--threads 0: expected"),
        (("-", "--classifier", "beef"), 10, "holds no classifier beef"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    rendered_result: Path, trained: Trained, arguments: tuple[str, ...], code: int, message: str
) -> None:
    found = orchard("predict", rendered_result, *arguments, input=b"")
    assert (found.exit_code, found.stdout) == (code, "")
    assert message in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "tree"}, r"--kind tree: expected logistic, svm, forest or auto"),
        ({"label": "family"}, r"--label family: expected fine or species"),
        ({"engine": "flink"}, r"--engine flink: expected auto, local or spark"),
        ({"folds": 1}, r"--folds 1: expected a whole number of at least 2"),
        ({"group": "("}, r"--group \(: not a regular expression"),
        ({"mistake_cost": 1.0}, r"--mistake-cost 1: expected more than 1"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(output="out", **settings)


def test_a_folder_that_is_no_result_cannot_be_trained_on(tmp_path: Path) -> None:
    found = orchard("train", tmp_path)
    assert found.exit_code == 5
    assert "is not a result of Orchard; expected the OUTPUT of a run" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_images_without_labels_cannot_be_trained_on(run: Any, photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "out", label="none")
    found = orchard("train", tmp_path / "out")
    assert found.exit_code == 10
    assert "no image has a label; run `orchard run` again with --label" in found.stderr


def test_another_network_than_the_features_is_refused(trained_copy: Path, tmp_path: Path) -> None:
    from orchard.model import load_model

    path = tmp_path / "other.onnx"
    path.write_bytes(load_model("fruit", 32).onnx)
    found = orchard("train", trained_copy, "--weights", path)
    assert found.exit_code != 0
    assert "fingerprint" in found.stderr or "size" in found.stderr


def test_one_object_a_class_is_warned_of(run: Any, photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "out")
    found = orchard("train", tmp_path / "out", "--kind", "logistic", "--folds", 2)
    assert found.exit_code == 0
    assert "0% of the classes have images of more than one object" in found.stderr
    assert "honest" not in found.stdout


def test_the_page_shows_figures_and_pictures_and_fetches_nothing(
    rendered_result: Path, trained: Trained
) -> None:
    page = (rendered_result / "report/classifier.html").read_text("utf-8")
    assert f"{trained.metrics['honest']['fine']['top1']:.3f}" in page
    assert "data:image/png;base64," in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "<script" not in page
    mistakes = trained.metrics["honest"]["fine"]["top1"] < 1
    assert ("taken for" in page) == mistakes


def test_names_are_escaped_on_the_page(run: Any, photos: Path, tmp_path: Path) -> None:
    source = shutil.copytree(photos, tmp_path / "in")
    (source / "apple").rename(source / "<script>alert(1)<script>")
    run(source, tmp_path / "out")
    orchard("train", tmp_path / "out", "--kind", "logistic", "--folds", 2, "--quiet")
    page = (tmp_path / "out/report/classifier.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_page_without_sources_says_so(trained_copy: Path, rendered: Path) -> None:
    from orchard.images.confines import Confines
    from orchard.storage import DEFAULT
    from orchard.training.mistakes import thumbnail

    image, here = str(min(rendered.glob("*/*.jpg"))), Confines((str(rendered),), "/out")
    assert thumbnail(image, DEFAULT, here).startswith("data:image/jpeg;")
    assert thumbnail(f"{rendered}/nowhere.jpg", DEFAULT, here) is None
    assert thumbnail(image, DEFAULT, Confines(("/elsewhere",), "/out")) is None


def test_a_picture_of_nothing_is_no_fruit(rendered_result: Path, trained: Trained) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    (found,) = lines(orchard("predict", rendered_result, "-", input=buffer.getvalue()))
    assert found["answer"] == "not_a_fruit"
