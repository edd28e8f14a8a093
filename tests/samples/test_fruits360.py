"""Fetching the photographs with real git, from a repository on this machine laid out as theirs."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchard.errors import ConfigError, SourceError
from orchard.samples.fruits360 import LICENCE, REMOTE, fetch_fruits360

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

CLASSES = {"Test": {"Apple Red 1": 3, "Banana 1": 4, "Lemon [old] 1": 2}, "Training": {"Plum 1": 5}}
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": f"{who}@orchard.invalid" for who in ("AUTHOR", "COMMITTER")
       for what in ("NAME", "EMAIL")},
}  # fmt: skip


def git(home: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(home), *arguments],
        env=_ENVIRONMENT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def commit(home: Path) -> None:
    git(home, "add", "--all")
    git(home, "commit", "--quiet", "--message", "photographs")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The remote's work tree: pictures of 20 kB that do not compress, and files beside them."""
    home = tmp_path / "home"
    home.mkdir()
    git(home, "init", "--quiet")
    git(home, "config", "uploadpack.allowFilter", "true")
    noise = random.Random(0)
    for split, classes in CLASSES.items():
        for name, count in classes.items():
            (home / split / name).mkdir(parents=True)
            for frame in range(count):
                picture = b"\xff\xd8" + noise.randbytes(20_000) + b"\n\r\n\xff\xd9"
                (home / split / name / f"r_{frame}_100.jpg").write_bytes(picture)
    (home / "README.md").write_text("Fruits-360\n")
    commit(home)
    return home


def url(home: Path) -> str:
    return f"file://{home}"


def pictures(root: Path, split: str = "Test") -> dict[str, bytes]:
    found = (root / split).rglob("*")
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(found) if p.is_file()}


def test_a_split_arrives_whole_and_alone(home: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    fetched = fetch_fruits360(
        tmp_path / "f", remote=url(home), on_progress=lambda n, total: seen.append((n, total))
    )
    assert fetched == 9
    assert seen == [(3, 9), (7, 9), (9, 9)]
    assert pictures(tmp_path / "f") == pictures(home)
    visible = [p.name for p in (tmp_path / "f").iterdir() if not p.name.startswith(".")]
    assert visible == ["Test"]


def test_no_picture_is_kept_twice(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    kept = sum(p.stat().st_size for p in (tmp_path / "f" / ".fruits360.git").rglob("*"))
    assert kept < 100_000 < sum(map(len, pictures(home).values()))


def test_all_adds_training_to_a_fetched_test_split(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    assert fetch_fruits360(tmp_path / "f", split="all", remote=url(home)) == 5
    assert pictures(tmp_path / "f", "Training") == pictures(home, "Training")


def test_a_second_fetch_needs_no_network_and_writes_nothing(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "f" / "Test").rglob("*")}
    home.rename(tmp_path / "gone")
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "f" / "Test").rglob("*")} == before


def test_a_killed_fetch_is_resumed_where_it_stopped(home: Path, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path;"
        "from orchard.samples.fruits360 import fetch_fruits360;"
        "fetch_fruits360(Path(sys.argv[1]), remote=sys.argv[2],"
        " on_progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "f", url(home)], check=False)
    assert killed.returncode == -signal.SIGKILL
    first = {p: p.stat().st_mtime_ns for p in (tmp_path / "f" / "Test").rglob("*.jpg")}
    assert len(first) == 3
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 9 - 3
    assert pictures(tmp_path / "f") == pictures(home)
    assert all(p.stat().st_mtime_ns == time for p, time in first.items())


def test_what_a_killed_git_leaves_behind_does_no_harm(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    kept = tmp_path / "f" / ".fruits360.git"
    half = tmp_path / "f" / "Test" / "Banana 1" / "r_2_100.jpg"
    half.write_bytes(half.read_bytes()[:4096])
    (kept / "index.lock").touch()
    (kept / "shallow.lock").touch()
    (kept / "objects" / "pack" / "tmp_pack_x").write_bytes(b"half")
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 1
    assert pictures(tmp_path / "f") == pictures(home)
    assert not list(kept.rglob("tmp_*"))


def test_a_fetch_killed_before_its_first_commit_begins_anew(home: Path, tmp_path: Path) -> None:
    (tmp_path / "f" / ".fruits360.git" / "objects").mkdir(parents=True)
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 9


def test_changed_and_missing_files_are_repaired_and_others_left(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    folder = tmp_path / "f" / "Test" / "Banana 1"
    rotten, time = folder / "r_0_100.jpg", (folder / "r_0_100.jpg").stat()
    good = rotten.read_bytes()
    rotten.write_bytes(good[:9000] + bytes([good[9000] ^ 1]) + good[9001:])
    os.utime(rotten, ns=(time.st_atime_ns, time.st_mtime_ns))  # size and time tell nothing
    (folder / "r_1_100.jpg").unlink()
    (folder / "mine.jpg").write_bytes(b"mine")
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 2
    assert (folder / "mine.jpg").read_bytes() == b"mine"
    (folder / "mine.jpg").unlink()
    assert pictures(tmp_path / "f") == pictures(home)


def test_a_damaged_repository_is_renewed_at_the_same_commit(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    expected = pictures(home)
    shutil.rmtree(home / "Test" / "Banana 1")
    commit(home)
    for pack in (tmp_path / "f" / ".fruits360.git").rglob("*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:-30] + bytes(30))
    (tmp_path / "f" / "Test" / "Banana 1" / "r_0_100.jpg").unlink()
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 1
    assert pictures(tmp_path / "f") == expected


def test_the_edition_stays_the_one_first_fetched(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    old = pictures(home)
    (home / "Test" / "Banana 1" / "r_0_100.jpg").write_bytes(b"another")
    commit(home)
    (tmp_path / "f" / "Test" / "Banana 1" / "r_0_100.jpg").unlink()
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 1
    assert pictures(tmp_path / "f") == old


def test_neither_attributes_nor_the_users_configuration_change_a_byte(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "Test" / "Banana 1" / ".gitattributes").write_text("*.jpg text eol=crlf ident\n")
    (home / "Test" / "Banana 1" / "r_9_100.jpg").write_bytes(b"$Id$\nplain\n")
    commit(home)
    user = tmp_path / "user"
    user.mkdir()
    (user / ".gitconfig").write_text(
        '[core]\n\tautocrlf = true\n[url "file:///nowhere/"]\n\tinsteadOf = file://\n'
    )
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    fetch_fruits360(tmp_path / "f", remote=url(home))
    stored = git(home, "show", "HEAD:Test/Banana 1/r_9_100.jpg")
    assert (tmp_path / "f/Test/Banana 1/r_9_100.jpg").read_bytes() == stored.encode()
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_of_something_else_is_refused_untouched(home: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SourceError, match="expected an empty directory"):
        fetch_fruits360(tmp_path, remote=url(home))
    assert {p.name for p in tmp_path.iterdir()} == {"home", "thesis.txt"}


def test_a_directory_fetched_from_elsewhere_is_refused(home: Path, tmp_path: Path) -> None:
    fetch_fruits360(tmp_path / "f", remote=url(home))
    with pytest.raises(SourceError, match=r"holds file://.*, expected file:///else"):
        fetch_fruits360(tmp_path / "f", remote="file:///elsewhere")


def test_two_fetches_into_one_directory_do_not_mix(home: Path, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(SourceError, match="another download is running here"):
            fetch_fruits360(tmp_path / "f", remote=url(home))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("remote", ["https://127.0.0.1:1/fruits", "file:///no/such/repository"])
def test_offline_is_one_line_with_a_way_out(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(SourceError) as raised:
        fetch_fruits360(tmp_path / "f", remote=remote)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{remote}: fatal: ")
    assert f"git clone --depth 1 {remote}" in message
    assert f"orchard sample {tmp_path / 'f'}" in message


def test_a_fetch_that_failed_offline_completes_online(home: Path, tmp_path: Path) -> None:
    home.rename(tmp_path / "away")
    with pytest.raises(SourceError):
        fetch_fruits360(tmp_path / "f", remote=url(home))
    (tmp_path / "away").rename(home)
    assert fetch_fruits360(tmp_path / "f", remote=url(home)) == 9


def test_git_is_asked_for_where_it_is_missing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"git: command not found: expected git 2\.29 or later"):
        fetch_fruits360(tmp_path / "f", remote=url(home))


def test_a_link_among_the_pictures_is_refused(home: Path, tmp_path: Path) -> None:
    (home / "Test" / "Banana 1" / "out.jpg").symlink_to("../../README.md")
    commit(home)
    with pytest.raises(SourceError, match="Test/Banana 1: expected a folder of plain files"):
        fetch_fruits360(tmp_path / "f", remote=url(home))


def test_a_repository_of_something_else_is_refused(home: Path, tmp_path: Path) -> None:
    shutil.rmtree(home / "Test")
    commit(home)
    with pytest.raises(SourceError, match="expected a folder Test with one folder for each class"):
        fetch_fruits360(tmp_path / "f", remote=url(home))


@pytest.mark.parametrize("remote", ["ext::sh -c true", "ssh://host/x", "http://host/x", "-x"])
def test_only_checked_or_local_protocols_are_spoken(remote: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a URL that begins with https://"):
        fetch_fruits360(tmp_path / "f", remote=remote)


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="split 'Validation': expected Test, Training or all"):
        fetch_fruits360(tmp_path / "f", split="Validation")
    assert not (tmp_path / "f").exists()


def test_the_licence_names_the_author_and_the_home() -> None:
    assert "Mihai Oltean" in LICENCE
    assert "CC BY-SA 4.0" in LICENCE
    assert REMOTE.startswith("https://github.com/fruits-360/")
