"""A result's life as a state machine: whatever people do to it and around it, in any order.

After each step the tables are those of a dictionary model, what is somebody else's is as it was,
nothing that was erased can be found, and the command ended with the exit code that it should.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from click.testing import CliRunner
from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from PIL import Image
from traces_of import traces_of

from machine import readers
from machine.dying import POINTS, Death, dying
from machine.model import SECOND_LETTER, Content, Model, Settings, Tables
from machine.places import Disk
from orchard.cli import main

LABELS = ("apple", "lemon", "plum")
FEWEST = 5  # images to be read: with less a PCA of three components may not exist
NOT_AN_IMAGE = b"no image, and not empty"
# Names that Orchard never gives a file, some of them much like those it does.
BELOW_OUTPUT = (
    "notes.md", "features/holiday.jpg", "features/part-0.parquet", "features/mine/a.png",
    "features/part-00000-0b52ad30-6d3c-4b1f-9d0f-3d1f4f8f6a5e-c000.snappy.parquet",
    "features/_delta_log/notes.txt", "components/part-00000.parquet", "errors/old.csv",
    "gone/list.txt", "models/pca/mine.json", "models/classifier/mine/README.md", "runs/log.txt",
    "runs/2020.json", "report/thesis.tex", "report/index.html.bak", "export/important.csv",
    "erasure/letter.txt", "privacy/policy.pdf", "contributions/me.jpg", "_staging/keep.parquet",
    "_staging/mine/features/part-0.parquet", "thumbnails/cat.webp", "findings/mine.csv",
)  # fmt: skip
BESIDE_OUTPUT = ("letters/notes.txt", "out2/features/part-0.parquet", "out.txt", "_lock")
LINKS = (
    "features/link", "components/link", "errors/link", "gone/link", "models/link", "runs/link",
    "report/link", "export/link", "_staging/link",
)  # fmt: skip
TAKEN = tuple({name.split("/")[0] for name in BELOW_OUTPUT if "/" in name})

COUNTS: Counter[str] = Counter()  # of what was done, for the end of the tests

numbers = st.integers(0, 1000)
deaths = st.tuples(st.one_of(st.sampled_from(POINTS), st.integers(1, 60)), st.booleans())
settings_of_runs = st.builds(
    Settings,
    label=st.sampled_from(("parent", "parent", "none", SECOND_LETTER)),
    exclude=st.sampled_from((None, None, *LABELS)),
    components=st.sampled_from(("3", "3", "2")),
)


def picture(number: int) -> bytes:
    """A small picture; no two numbers give one alike."""
    coarse = np.random.default_rng(number).integers(0, 256, (5, 5, 3), np.uint8)
    file = io.BytesIO()
    image = Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC)
    image.save(file, "PNG")
    return file.getvalue()


def lives(examples: int, steps: int) -> settings:
    """How many lives, each of how many steps. Without Hypothesis' explanations of a failure, for
    which it would trace every line."""
    phases = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
    return settings(max_examples=examples, stateful_step_count=steps, phases=phases)


class Lifetime(RuleBasedStateMachine):
    """new_place: a place with nothing in it, `among_images` or not."""

    new_place: Callable[[bool], Disk]
    title = ""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.vectors: dict[str, np.ndarray] = {}
        self.foreign: dict[str, str] = {}
        self.sources: dict[str, bytes] = {}
        self.n_pictures = 0
        self.said = ""

    # What is there

    @initialize(
        n=st.integers(FEWEST + 1, 9),
        among_images=st.booleans(),
        strangers=st.lists(st.sampled_from(BELOW_OUTPUT), max_size=1),
    )
    def begin(self, n: int, among_images: bool, strangers: list[str]) -> None:
        COUNTS[f"{self.title}: examples"] += 1
        self.place = type(self).new_place(among_images)
        for _ in range(n):
            self._add(picture(self.n_pictures))
        for name in ("letters/a.txt", "letters/deep/b.jpg"):
            self._put_foreign(name, b"dear reader")
        for name in strangers:
            self._put_foreign(f"{self.place.out}/{name}", b"mine")

    @rule(is_image=st.sampled_from((True, True, False)))
    def add_image(self, is_image: bool) -> None:
        self._step("add")
        self._add(picture(self.n_pictures) if is_image else NOT_AN_IMAGE)

    @rule(which=numbers, is_image=st.sampled_from((True, True, False)))
    def change_image(self, which: int, is_image: bool) -> None:
        name = self._pick(self.sources, which)
        if self._may_lose(name):
            self._step("change")
            data = picture(1000 + self.n_pictures) if is_image else NOT_AN_IMAGE * 2
            self.n_pictures += 1
            self._put(name, data)

    @rule(which=numbers)
    def delete_image(self, which: int) -> None:
        name = self._pick(self.sources, which)
        if self._may_lose(name):
            self._step("delete")
            self.place.delete(name)
            del self.sources[name], self.model.source[self.place.path(name)]

    @rule(which=numbers, label=st.sampled_from(LABELS), renamed=st.booleans())
    def move_image(self, which: int, label: str, renamed: bool) -> None:
        """Into another folder, so to another label; or back to where it has been."""
        name = self._pick(self.sources, which)
        target = f"photos/{label}/{'new ' if renamed else ''}{name.split('/')[-1][-6:]}"
        if target in self.sources or not self._may_lose(name):
            return
        self._step("move")
        self.place.move(name, target)
        self.sources[target] = self.sources.pop(name)
        source, path = self.model.source, self.place.path(name)
        source[self.place.path(target)] = source.pop(path)

    @rule(name=st.sampled_from((*BELOW_OUTPUT, *BESIDE_OUTPUT)), data=st.binary(max_size=40))
    def put_foreign_file(self, name: str, data: bytes) -> None:
        self._step("foreign file")
        below = "" if name in BESIDE_OUTPUT else f"{self.place.out}/"
        self._put_foreign(f"{below}{name}", data)

    @rule(name=st.sampled_from(LINKS), leads_to=st.sampled_from(("letters", "letters/a.txt")))
    def put_link(self, name: str, leads_to: str) -> None:
        link = f"{self.place.out}/{name}"
        if self.place.is_local and link not in self.foreign:
            self._step("link")
            self.place.link(link, leads_to)
            self.foreign = self.place.state_of_foreign()

    @rule(which=numbers)
    def take_foreign_away(self, which: int) -> None:
        below = [name for name in self.foreign if name.startswith(f"{self.place.out}/")]
        if below:
            self._step("foreign file away")
            self.place.delete_foreign(self._pick(below, which))
            self.foreign = self.place.state_of_foreign()

    # Commands

    @rule(settings=settings_of_runs, single=st.one_of(st.none(), st.none(), numbers))
    def run(self, settings: Settings, single: int | None) -> None:
        self._run(settings, single, None)

    @rule()
    def run_again(self) -> None:
        self._run(Settings(), None, None)

    @rule(settings=settings_of_runs, death=deaths)
    def run_killed(self, settings: Settings, death: tuple[str | int, bool]) -> None:
        self._run(settings, None, Death(*death))

    @rule(which=numbers, death=st.one_of(st.none(), st.none(), deaths))
    def erase_image(self, which: int, death: tuple[str | int, bool] | None) -> None:
        """Any that the result knows, be it there, gone or no image; or that was erased before."""
        paths = self._known() | self.model.suppressed
        if paths and self._may_erase({path := self._pick(paths, which)}):
            self._erase("erase", ["--path", path], {path}, death)

    @rule(label=st.sampled_from(LABELS), death=st.one_of(st.none(), st.none(), deaths))
    def erase_folder(self, label: str, death: tuple[str | int, bool] | None) -> None:
        prefix = self.place.path(f"photos/{label}/")
        below = {path for path in self._in_rows() if path.startswith(prefix)}
        if self._may_erase(below):
            self._erase("erase folder", ["--prefix", prefix], below or {prefix}, death)

    @rule(which=numbers, keep_out=st.booleans(), beside=st.booleans())
    def erase_misspelt(self, which: int, keep_out: bool, beside: bool) -> None:
        """A typo alone, or beside a right path."""
        wrong = f"{self.place.path(self._pick(self.sources, which))}x"
        options, right = ["--path", wrong, *["--keep-out"] * keep_out], set()
        if beside and self._known():
            right = {self._pick(self._known(), which)}
            if not self._may_erase(right):
                return
            options += ["--path", *right]
        self._erase("erase misspelt", options, right | {wrong}, None, keep_out=keep_out)

    @rule(which=numbers)
    def readmit(self, which: int) -> None:
        paths = self.model.suppressed or {self.place.path("photos/apple/nobody.png")}
        path = self._pick(paths, which)
        known = 0 if path in self.model.suppressed else 11
        expected = known if self.model.has_features else 5
        self._step("readmit")
        self._call(expected, "readmit", "--path", path)
        if expected == 0:
            self.model.suppressed.discard(path)
            self.model.erased.discard(path)

    @rule(command=st.sampled_from(("vacuum", "optimize")), death=st.one_of(st.none(), deaths))
    def tidy(self, command: str, death: tuple[str | int, bool] | None) -> None:
        self._step(command)
        dying_one = Death(*death) if death else None
        self._call(0 if self.model.has_features else 5, command, death=dying_one)
        if command == "vacuum" and self.model.has_features and not self._was_killed(dying_one):
            assert not self.place.names("_staging")

    @rule(file_format=st.sampled_from(("csv", "npy", "parquet")), features=st.booleans())
    @precondition(lambda self: self.model.is_settled)
    def export(self, file_format: str, features: bool) -> None:
        self._step("export")
        options = ["--format", file_format, *["--features"] * features]
        if not self.place.is_local:
            options += ["--to", f"{self.place.scratch}/export"]
        self._call(0, "export", *options)

    @rule(thumbnails=st.booleans())
    @precondition(lambda self: self.model.is_settled)
    def report(self, thumbnails: bool) -> None:
        self._step("report")
        self._call(0, "report", "--thumbnails" if thumbnails else "--no-thumbnails")

    # What is always so

    @invariant()
    def others_files_are_untouched(self) -> None:
        if not self.sources:
            return
        assert self.place.state_of_foreign() == self.foreign, self.said
        for name, data in self.sources.items():
            assert self.place.read_any(name) == data, f"{name} at the source: {self.said}"
        beside = [n for n in self.place.everything() if not n.startswith(f"{self.place.out}/")]
        expected = {*self.sources, *self.foreign}
        assert not set(beside) - expected, f"written beside OUTPUT: {self.said}"

    @invariant()
    def the_tables_are_the_models(self) -> None:
        if self.sources:
            found = readers.tables_of(self.place, self.vectors)
            assert vars(found) == vars(self.model.tables), self.said
            kept = readers.Kept(self.place)
            assert kept.hashes == kept.digests(self.model.suppressed), self.said

    @invariant()
    def nothing_erased_is_found(self) -> None:
        if self.model.erased:
            copy, lost = self.place.local_output(), self._lost_vectors()
            found = traces_of(copy, self.model.erased, vectors=lost)
            assert not found, (found, self.said)

    # How

    def _step(self, name: str) -> None:
        COUNTS[f"{self.title}: steps"] += 1
        COUNTS[f"{self.title}: step {name}"] += 1
        event(name)

    def _add(self, data: bytes) -> None:
        number, self.n_pictures = self.n_pictures, self.n_pictures + 1
        self._put(f"photos/{LABELS[number % 3]}/{number:02d}.png", data)

    def _put(self, name: str, data: bytes) -> None:
        self.place.put(name, data)
        self.sources[name] = data
        content = Content(hashlib.sha256(data).hexdigest(), not data.startswith(NOT_AN_IMAGE))
        self.model.source[self.place.path(name)] = content

    def _put_foreign(self, name: str, data: bytes) -> None:
        self.place.put_foreign(name, data)
        self.foreign = self.place.state_of_foreign()

    def _pick(self, options: Any, which: int) -> str:
        found = sorted(options)
        return str(found[which % len(found)])

    def _may_lose(self, name: str) -> bool:
        return len(self.model.readable() - {self.place.path(name)}) >= FEWEST

    def _may_erase(self, paths: set[str]) -> bool:
        return len(self.model.readable() - paths) >= FEWEST

    def _in_rows(self) -> set[str]:
        pictured = readers.pictured(self.place).keys()
        return self.model.tables.known() | readers.staged(self.place) | pictured

    def _known(self) -> set[str]:
        return self._in_rows() | self.model.named

    def _lost_vectors(self) -> list[np.ndarray]:
        """Features of bytes that no row has any more: what was renamed is there by another path."""
        tables = self.model.tables
        there = {row.sha256 for row in (*tables.features.values(), *tables.gone.values())}
        there |= {content.sha256 for content in self.model.source.values()}
        return [vector for sha256, vector in self.vectors.items() if sha256 not in there]

    def _call(
        self, expected: int, command: str, *arguments: str, death: Death | None = None
    ) -> None:
        """A command on OUTPUT; it ends as expected, or by its death."""
        place = self.place
        where = [] if command == "run" else [place.path(place.out)]
        line = [command, *where, *arguments, *place.options]
        code, output = self._invoke(line, death)
        self.said = f"{' '.join(line)}\n{death}\n{output}"
        if death and death.reached:
            COUNTS[f"{self.title}: killed {death.reached}"] += 1
            event(f"killed {death.reached}")
        assert code == (130 if self._was_killed(death) else expected), (
            f"exit code {code}: {self.said}"
        )

    def _invoke(self, line: list[str], death: Death | None) -> tuple[int, str]:
        """The exit code, and what was said; a traceback is no way to end."""
        with dying(death) if death else nullcontext():
            done = CliRunner().invoke(main, line)
        raised = done.exception
        assert raised is None or isinstance(raised, SystemExit), (line, death, done.exc_info)
        return done.exit_code, done.output

    def _was_killed(self, death: Death | None) -> bool:
        return bool(death and death.reached)

    def _run(self, settings: Settings, single: int | None, death: Death | None) -> None:
        asked = [path for path in self.model.readable() if settings.asks_for(path)]
        if len(asked) < FEWEST:
            return
        sources = [self.place.path("photos")]
        if single is not None and not settings.exclude:
            settings = Settings(
                settings.label, None, settings.components, self._pick(asked, single)
            )
            sources.append(str(settings.single))
        self._step("run killed" if death else "run")
        before, records = self.model.copy(), set(self.place.names("runs"))
        expected = 0 if self._may_begin() else 5
        self._call(
            expected, "run", *sources, self.place.path(self.place.out), "--quiet", "--no-report",
            "--weights", "fruit", "--size", "32", "--components", settings.components,
            "--label", settings.label,
            *(("--exclude", f"{settings.exclude}/*") if settings.exclude else ()),
            death=death,
        )  # fmt: skip
        written = set(self.place.names("runs")) - records
        if settings.single and written:
            self.model.named.add(settings.single)
        if expected:
            return
        after = self.model.tables.after_run(self.model.source, self.model.suppressed, settings)
        if self._was_killed(death):
            self._settle(before.tables, after)
            return
        self.model.tables = after
        self.model.is_result = self.model.has_features = self.model.is_settled = True
        assert not self.place.names("_staging"), "staged files are left"
        pictures = readers.pictured(self.place)
        features = after.features.items()
        lacking = {path for path, row in features if pictures.get(path) != row.sha256}
        assert not lacking, f"without a thumbnail of their bytes: {self.said}"
        for name in written:
            self._check_counts(json.loads(self.place.read(name))["counts"], settings)

    def _may_begin(self) -> bool:
        """Whether OUTPUT is a result, or free to become one."""
        starts = tuple(f"{self.place.out}/{name}/" for name in TAKEN)
        return self.model.is_result or not any(n.startswith(starts) for n in self.foreign)

    def _check_counts(self, counts: dict[str, int], settings: Settings) -> None:
        listed = [path for path in self.model.source if settings.asks_for(path)]
        suppressed = [path for path in listed if path in self.model.suppressed]
        parts = ("embedded", "already_there", "errors", "known_errors")
        assert counts["listed"] == sum(counts[part] for part in parts), counts
        assert counts["listed"] == len(listed) - len(suppressed), counts
        assert counts["suppressed"] == len(suppressed), counts
        assert counts["gone"] == len(self.model.tables.gone), counts

    def _settle(self, old: Tables, new: Tables) -> None:
        """After a death: each table is as it was or as it should have become."""
        found = readers.tables_of(self.place, self.vectors)
        assert not found.is_between(old, new), (found.is_between(old, new), self.said)
        self.model.tables, self.model.is_settled = found, False
        names = self.place.names()
        self.model.is_result |= "_orchard.json" in names
        self.model.has_features |= any(name.startswith("features/_delta_log/") for name in names)

    def _erase(
        self,
        name: str,
        options: list[str],
        given: set[str],
        death: tuple[str | int, bool] | None,
        *,
        keep_out: bool = False,
    ) -> None:
        self._step(name)
        kept, known, in_rows = readers.Kept(self.place), self._known(), self._in_rows()
        found = given & known
        resumed = {path for path in given - known if kept.is_pending(path)}
        before = given & self.model.suppressed
        unknown = given - found - resumed - before
        if found or resumed:
            found |= {path for path in in_rows | self.model.named if kept.is_pending(path)}
        expected = 11 if unknown and not keep_out else 0
        dead = Death(*death) if death else None
        self._call(expected if self.model.has_features else 5, "erase", *options, death=dead)
        if not self.model.has_features:
            return
        suppressed = self.model.suppressed | found | (unknown if keep_out else set())
        after = self.model.tables.without(found)
        if self._was_killed(dead):
            self._settle(self.model.tables, after)
            kept = readers.Kept(self.place)
            if kept.hashes == kept.digests(suppressed):
                self.model.suppressed = suppressed
            return
        self.model.tables, self.model.suppressed = after, suppressed
        self.model.erased |= found
        self.model.named -= found
