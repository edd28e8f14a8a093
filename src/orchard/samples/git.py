"""The git command line as a downloader that resumes, checks, and never asks.

A partial clone: one commit and its trees are fetched at first, the files of a folder when that
folder is restored. Neither the user's configuration nor hooks nor attributes have a say, so the
bytes in the work tree are the bytes of the commit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from orchard.errors import ConfigError, SourceError

_PROTOCOLS = ("https", "git", "file")
_PINNED = "refs/orchard/pinned"
_CONFIG = """
[core]
	bare = false
	autocrlf = false
	symlinks = false
	fileMode = false
	hooksPath = /dev/null
	protectHFS = true
	protectNTFS = true
[transfer]
	fsckObjects = true
[gc]
	auto = 0
[maintenance]
	auto = false
[http]
	lowSpeedLimit = 1000
	lowSpeedTime = 60
[remote "origin"]
	url = {remote}
"""
# the commit's own .gitattributes are overruled: no line ends, filters or keywords
_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding\n"


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder of the commit: its name, the hash of its tree, and how many files are in it."""

    name: str
    object_id: str
    n_files: int


@dataclass(frozen=True, slots=True)
class Repository:
    """One commit of `remote`, kept in git_dir. way_out: what an error tells the user to do."""

    git_dir: Path
    remote: str
    way_out: str

    def pin(self) -> None:
        """Settle on the remote's newest commit, unless an earlier call has; repair what is kept of
        it. The caller holds a lock, so whatever lock a git left behind is of one that was killed.
        """
        protocol = self.remote.partition("://")[0]
        if protocol not in _PROTOCOLS or any(c in self.remote for c in '\n"\\'):
            raise ConfigError(
                f"remote {self.remote!r}: expected a URL that begins with https://, git:// or "
                "file://"
            )
        for left in (*self.git_dir.rglob("*.lock"), *self.git_dir.rglob("tmp_*")):
            if left.is_file():
                left.unlink()
        commit = self._run("rev-parse", "--verify", "--quiet", _PINNED).stdout.strip()
        if commit:
            self._check_remote()
            if self._run("fsck", "--no-dangling", "--no-progress").returncode == 0:
                return
        self._begin(commit or "HEAD")

    def _begin(self, commit: str) -> None:
        """Fetch a commit and its trees into a new repository."""
        shutil.rmtree(self.git_dir, ignore_errors=True)
        self._git("init", "--quiet", "--template=")
        with (self.git_dir / "config").open("a") as config:
            config.write(_CONFIG.format(remote=self.remote))
        (self.git_dir / "info").mkdir(exist_ok=True)
        (self.git_dir / "info" / "attributes").write_text(_ATTRIBUTES)
        self._git(
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--filter=blob:none",
            "origin",
            f"+{commit}:{_PINNED}",
        )

    def folders(self, name: str) -> list[Tree]:
        """The folders within the folder `name` of the commit, by name; empty where it has none."""
        found = self._run("ls-tree", "-z", "-d", f"{_PINNED}:{name}").stdout
        trees = []
        for entry in filter(None, found.split("\0")):
            kind, _, folder = entry.partition("\t")
            files = [e for e in self._git("ls-tree", "-rz", kind.split()[2]).split("\0") if e]
            if folder.startswith(".") or "/" in folder or not all(e[:3] == "100" for e in files):
                raise SourceError(
                    f"{self.remote}: {name}/{folder}: expected a folder of plain files"
                )
            trees.append(Tree(folder, kind.split()[2], len(files)))
        return trees

    def restore(self, tree: Tree, path: Path) -> int:
        """Make the files of `tree` in the folder `path` as the commit has them; those already right
        by their hash are left. Returns how many were written."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}; {self.way_out}") from None
        (self.git_dir / "index").unlink(missing_ok=True)
        before = self._packs()
        self._git("read-tree", tree.object_id, work_tree=path)
        wrong = self._differing(path)
        if wrong:
            # asks for all missing files of the folder in one request
            self._git("read-tree", "--reset", "-u", tree.object_id, work_tree=path)
            if self._differing(path):
                raise SourceError(f"{path}: files change while they are downloaded; {self.way_out}")
        for pack in self._packs() - before:
            pack.unlink()  # the pictures are in the folder; git may lack what it can fetch again
        return wrong

    def _differing(self, path: Path) -> int:
        """How many files of the index are not, byte for byte, in the folder."""
        self._run("update-index", "-q", "--refresh", work_tree=path)
        return self._git("diff-files", "--name-only", "-z", work_tree=path).count("\0")

    def _packs(self) -> set[Path]:
        return set((self.git_dir / "objects" / "pack").glob("pack-*"))

    def _check_remote(self) -> None:
        known = self._git("config", "--get", "remote.origin.url").strip()
        if known != self.remote:
            raise SourceError(
                f"{self.git_dir.parent}: holds {known}, expected {self.remote}: choose another "
                "directory"
            )

    def _git(self, *arguments: str, work_tree: Path | None = None) -> str:
        """Standard output of a git command. Raises SourceError where it fails."""
        done = self._run(*arguments, work_tree=work_tree)
        if done.returncode:
            raise SourceError(f"{self.remote}: {_reason(done.stderr)}; {self.way_out}")
        return done.stdout

    def _run(
        self, *arguments: str, work_tree: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        folder = work_tree or self.git_dir.parent
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=folder,
                env=self._environment(folder),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                check=False,
            )
        except FileNotFoundError:
            raise SourceError(
                f"git: command not found: expected git 2.29 or later; install it and {self.way_out}"
            ) from None

    def _environment(self, work_tree: Path) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
        }
        return kept | {
            "GIT_DIR": os.fspath(self.git_dir),
            "GIT_WORK_TREE": os.fspath(work_tree),
            "GIT_ALLOW_PROTOCOL": self.remote.partition("://")[0],
            "GIT_ASKPASS": "",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "HOME": os.fspath(self.git_dir),  # has neither .gitconfig nor .netrc
            "XDG_CONFIG_HOME": os.fspath(self.git_dir),
            "LC_ALL": "C",
        }


def _reason(stderr: str) -> str:
    """The line of git's complaint that says most."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    if any("No space left" in line for line in lines):
        return "no space left on the disk: make room"
    return (telling or lines or ["git failed without a message"])[0]
