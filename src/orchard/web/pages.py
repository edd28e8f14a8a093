"""The page's files, read once: what is not among them cannot be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template

from orchard.knowledge import LANGUAGES
from orchard.web.settings import ServeConfig

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_HELP = {
    "en": (
        "<p>Off, until you switch it on. Then your next photos are kept on this server to teach "
        "it, smaller and without place or date, for {days} days at most. Each gets a random code, "
        "which your browser remembers: “Erase it” deletes the photo for good. You may also give "
        "the code to whoever runs this server. Nothing that is stored connects a photo to you but "
        "the code. So that nobody takes all the space, a scrambled form of your address is held in "
        "memory until the photo is gone or the server restarts; it is never written down.</p>"
    ),
    "fr": (
        "<p>Désactivé, tant que vous ne l'activez pas. Ensuite vos prochaines photos sont gardées "
        "sur ce serveur pour l'entraîner, réduites, sans lieu ni date, {days} jours au plus. "
        "Chacune reçoit un code au hasard, que votre navigateur retient : « Effacer » la "
        "supprime pour de bon. Vous pouvez aussi donner ce code à la personne qui gère ce "
        "serveur. Rien de ce qui est stocké ne relie une photo à vous, sinon ce code. Pour que "
        "personne n'occupe toute la place, une empreinte de votre adresse reste en mémoire jusqu'à "
        "ce que la photo soit effacée ou que le serveur redémarre ; elle n'est jamais écrite.</p>"
    ),
}
_NO_HELP = {
    "en": "<p>This server keeps no photos, whatever you choose.</p>",
    "fr": "<p>Ce serveur ne garde aucune photo, quoi que vous choisissiez.</p>",
}


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str


class Pages:
    """index: the page. privacy: a page for each language. files: all others, by name."""

    def __init__(self, config: ServeConfig) -> None:
        folder = files(__package__).joinpath("static")
        there = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
        settings = {
            "keep_days": str(config.keep_days),
            "contributions": "on" if config.contributions else "off",
        }
        self.index = Template(there["index.html"].decode()).substitute(settings)
        texts = _HELP if config.contributions else _NO_HELP
        self.privacy = {
            lang: Template(there[f"privacy.{lang}.html"].decode()).substitute(
                help_improve=texts[lang].format(days=config.keep_days)
            )
            for lang in LANGUAGES
        }
        self.files = {
            name: File(content, _TYPES[name.rpartition(".")[2]])
            for name, content in there.items()
            if name.rpartition(".")[2] in _TYPES
        }
