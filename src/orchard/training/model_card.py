"""The model card: README.md beside a classifier, for whoever finds the folder."""

from __future__ import annotations

from typing import Any

from orchard.classify.files import Card
from orchard.training.threshold import UNSEEN_SHARE


def model_card(card: Card, metrics: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        f"# Classifier {card.classifier_id}",
        "",
        *([f"**The features are of {card.notice}.**", ""] if card.notice else []),
        f"A head of kind `{card.kind}` on {card.n_components} components of a network's features. "
        f"It tells {len(card.classes)} classes, trained on {card.n_samples:,} images on "
        f"{card.created}.",
        "",
        "## What it is for",
        "",
        "Telling what fruit, nut or vegetable is on a picture like those it was trained on. Not "
        "for telling what may be eaten, nor ripeness or price; nothing was measured for that. "
        "Pictures taken in another way (white ground against a shop's shelf) are another task.",
        "",
        "## Held-out images",
        "",
        "| split | answer | images | classes | top-1 | top-5 | macro F1 | calibration error |",
        "|---|---|---|---|---|---|---|---|",
        *_scores(card, metrics),
        "",
        "Honest: images of one object are never on both sides. Naive: at random. The setting was "
        "chosen on the same folds, which flatters it by less than the folds differ. Per class: "
        "`metrics.json`; what is confused: `confusion.parquet`.",
        "",
        "## When it does not answer",
        "",
        f"- Below {card.sure:.2f} it says “not sure”. A wrong answer was taken to cost "
        f"{card.training['mistake_cost']:g} times “not sure”, and {UNSEEN_SHARE:.0%} of images to "
        f"be of a species never seen: {metrics['choice']['answered']:.0%} of known images are "
        f"answered, {metrics['choice']['right']:.1%} of them rightly; "
        f"{metrics['choice']['unseen_answered']:.0%} of images of species left out are answered.",
        f"- Where the two best species together reach that probability it names both: "
        f"{metrics['two']['named']:.1%} of known images, {metrics['two']['right']:.1%} of them "
        "rightly.",
        f"- Below {card.fruit:.3f} of likeness plus {card.confidence:g} times the probability it "
        f"says “not a fruit”: {metrics['familiarity']['known']:.1%} of images in held-out scenes, "
        f"{metrics['familiarity']['unseen']:.1%} of species left out, "
        f"{metrics['familiarity']['made']:.0%} of {metrics['familiarity']['n_made']} made pictures "
        "without fruit. No photo without fruit was at hand for this training.",
        f"- Below a likeness of {card.familiar:.3f} a sure answer is given with a reserve: "
        "“unlike those I know”.",
        "",
        "## What was tried",
        "",
        "| kind | setting | top-1 | log loss | seconds |",
        "|---|---|---|---|---|",
        *(
            f"| {t['kind']} | {t['setting']:g} | {t['top1']:.3f} | {t['log_loss']:.3f} | "
            f"{t['seconds']:.1f}{', stopped early' if t['stopped'] else ''} |"
            for t in metrics["search"]
        ),
        "",
        "## Files",
        "",
        "`classifier.safetensors` holds the head and its projection, `network.onnx` the network, "
        "`card.json` the rest and the hashes of both; `gallery.parquet` known images by path. No "
        "file is a pickle, no other file of the result is needed to answer.",
        "",
    ]
    return "\n".join(lines)


def _scores(card: Card, metrics: dict[str, Any]) -> list[str]:
    rows = []
    for split in ("honest", "naive"):
        for labels in ("fine", "species"):
            if s := metrics[split][labels]:
                shown = card.label if labels == "fine" else labels
                rows.append(
                    f"| {split} | {shown} | {s['n']:,} | {s['n_classes']} | {s['top1']:.3f} | "
                    f"{s['top5']:.3f} | {s['macro_f1']:.3f} | {s['ece']:.3f} |"
                )
    return rows or ["| none: too few images to hold any out | | | | | | | |"]
