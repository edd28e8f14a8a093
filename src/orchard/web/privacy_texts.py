"""What the privacy page says that depends on who hosts the page, as paragraphs of HTML.

Without a server photos are identified on the device and nobody could be sent anything. With one
they are too, but a person can choose to send a photo.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchard.knowledge.taxonomy import Lang

PRIVACY = "privacy.{language}.html"


@dataclass(frozen=True, slots=True)
class Keeps:
    """What a server keeps: whether photos that people choose to leave, and for how many days."""

    contributions: bool
    days: int


def privacy_texts(language: Lang, keeps: Keeps | None) -> dict[str, str]:
    """`photo`, `help_improve` and `responsible`. keeps: None without a server."""
    photo = _PHOTO[language]
    if keeps is None:
        texts = {"photo": f"{photo}\n{_HOSTED[language]}", "help_improve": ""}
        return texts | {"responsible": _RESPONSIBLE_HOST[language]}
    helps = (_HELP if keeps.contributions else _NO_HELP)[language].format(days=keeps.days)
    return {
        "photo": f"{photo}\n{_SERVED[language]}",
        "help_improve": f"<h2>{_HELP_TITLE[language]}</h2>\n{helps}",
        "responsible": _RESPONSIBLE[language],
    }


_PHOTO: dict[Lang, str] = {
    "en": (
        "<p>Your photo stays on your device. What identifies it comes to your browser with this "
        "page, and works there, also without a network. The photo is held in memory while it is "
        "looked at; it is not stored. The same is true of the camera's pictures: they are looked "
        "at one by one, and none is kept unless you press the button.</p>\n"
        "<p>There are no cookies, no accounts, and nothing on this page comes from anybody else. "
        "Your browser remembers this page's own files, your language and your choices, for this "
        "page alone. Clear the site's data in your browser to remove them.</p>"
    ),
    "fr": (
        "<p>Votre photo reste sur votre appareil. Ce qui la reconnaît arrive dans votre navigateur "
        "avec cette page et y fonctionne, même sans connexion. La photo reste en mémoire pendant "
        "son analyse ; elle n'est pas enregistrée. Il en va de même des images de la caméra : "
        "elles sont examinées une à une, et aucune n'est gardée si vous n'appuyez pas sur le "
        "bouton.</p>\n"
        "<p>Il n'y a ni cookie ni compte, et rien sur cette page ne provient d'un tiers. Votre "
        "navigateur retient les fichiers de cette page, votre langue et vos choix, pour cette page "
        "seulement. Effacez les données du site dans votre navigateur pour les supprimer.</p>"
    ),
}
_HOSTED: dict[Lang, str] = {
    "en": (
        "<p>This page has no way to send a photo. As with any site, whoever hosts it sees that "
        "your address asked for its files.</p>"
    ),
    "fr": (
        "<p>Cette page n'a aucun moyen d'envoyer une photo. Comme pour tout site, son hébergeur "
        "voit que votre adresse IP a demandé ses fichiers.</p>"
    ),
}
_SERVED: dict[Lang, str] = {
    "en": (
        "<p>A photo is sent to this server in three cases alone, and you choose each: if you "
        "switch “Help improve” on, if you answer “Was I right?” and press “Send the photo and my "
        "answer”, or if your browser cannot identify the photo and you press “Send it to the "
        "server”. Your browser first scales it down and re-encodes it, which removes place, date "
        "and camera; what it cannot read is sent as it is. A photo that the server is to identify "
        "is held in memory while it is looked at, and dropped with the answer. Of what a file says "
        "about itself, only which side is up is used.</p>\n"
        "<p>The server writes down that a photo was asked about, when, how long the answer took, "
        "and whether one was found. Not your address, not a name of a file, not your browser. To "
        "share the server fairly, your address is held in memory while you are connected and for "
        "about a minute after, and is never written down.</p>"
    ),
    "fr": (
        "<p>Une photo n'est envoyée à ce serveur que dans trois cas, et c'est vous qui choisissez "
        ": si vous activez « Aider à améliorer Orchard », si vous répondez à « Ai-je raison ? » et "
        "appuyez sur « Envoyer la photo et ma réponse », ou si votre navigateur ne peut pas "
        "reconnaître la photo et que vous appuyez sur « L'envoyer au serveur ». Votre navigateur "
        "la réduit et la réencode d'abord, ce qui supprime le lieu, la date et l'appareil ; ce "
        "qu'il ne sait pas lire est envoyé tel quel. Une photo à reconnaître reste dans la mémoire "
        "du serveur pendant son analyse ; il la supprime avec l'envoi de la réponse. Parmi les "
        "métadonnées du fichier, seule l'orientation de l'image est utilisée.</p>\n"
        "<p>Le serveur enregistre qu'une photo a été soumise, à quel moment, la durée de la "
        "réponse et si une réponse a été trouvée. Il n'enregistre ni votre adresse IP, ni le nom "
        "d'un fichier, ni votre navigateur. Pour un partage équitable du serveur, votre adresse IP "
        "reste en mémoire tant que vous êtes connecté et environ une minute après. Elle n'est "
        "jamais enregistrée.</p>"
    ),
}
_HELP_TITLE: dict[Lang, str] = {"en": "Help improve", "fr": "Aider à améliorer Orchard"}
_HELP: dict[Lang, str] = {
    "en": (
        "<p>Off, until you switch it on. Then your next photos are kept on this server to teach "
        "it, smaller and without place or date, for {days} days at most. If you only answer “Was I "
        "right?”, that one photo is kept so, with your answer. A person looks at the photos and "
        "your answers before anything is learnt from them. If they accept a photo, the numbers "
        "that the classifier computes of it are kept beside it, for the same time; what was learnt "
        "from all photos together stays.</p>\n"
        "<p>Each photo gets a random code, which your browser remembers: “Erase it” deletes the "
        "photo, your answer and those numbers for good. You may also give the code to whoever runs "
        "this server. Photos that you gave carry one random mark, so that they are recognised as "
        "one person's when the classifier is tested; your browser forgets it once none of them is "
        "kept. Nothing else that is stored connects a photo to you. So that nobody takes all the "
        "space, a scrambled form of your address is held in memory until the photo is gone or the "
        "server restarts; it is never written down.</p>"
    ),
    "fr": (
        "<p>Désactivé, tant que vous ne l'activez pas. Ensuite vos prochaines photos sont gardées "
        "sur ce serveur pour l'entraîner, réduites, sans lieu ni date, {days} jours au plus. Si "
        "vous répondez seulement à « Ai-je raison ? », cette seule photo est gardée ainsi, avec "
        "votre réponse. Une personne regarde les photos et vos réponses avant tout apprentissage. "
        "Si elle accepte une photo, les valeurs que le programme en calcule sont gardées à côté, "
        "aussi longtemps ; ce qui a été appris de toutes les photos ensemble reste.</p>\n"
        "<p>Chacune reçoit un code au hasard, que votre navigateur retient : « Effacer » supprime "
        "pour de bon la photo, votre réponse et ces valeurs. Vous pouvez aussi donner ce code à la "
        "personne qui gère ce serveur. Les photos que vous avez données portent une même marque, "
        "tirée au hasard, pour qu'on sache qu'elles viennent d'une seule personne quand on teste "
        "le programme ; votre navigateur l'oublie dès qu'aucune n'est plus gardée. Rien d'autre de "
        "ce qui est stocké ne relie une photo à vous. Pour que personne n'occupe toute la place, "
        "une empreinte de votre adresse reste en mémoire jusqu'à ce que la photo soit effacée ou "
        "que le serveur redémarre ; elle n'est jamais écrite.</p>"
    ),
}
_NO_HELP: dict[Lang, str] = {
    "en": "<p>This server keeps no photos, whatever you choose.</p>",
    "fr": "<p>Ce serveur ne garde aucune photo, quoi que vous choisissiez.</p>",
}
_RESPONSIBLE: dict[Lang, str] = {
    "en": (
        "<h2>Who is responsible</h2>\n<p>Whoever runs this server. Orchard is free software; its "
        "makers receive nothing from here.</p>"
    ),
    "fr": (
        "<h2>Qui est responsable ?</h2>\n<p>C'est la personne qui gère ce serveur. Orchard est un "
        "logiciel libre ; ses auteurs ne reçoivent rien de ce serveur.</p>"
    ),
}
_RESPONSIBLE_HOST: dict[Lang, str] = {
    "en": (
        "<h2>Who is responsible</h2>\n<p>Whoever put this page here. Orchard is free software; its "
        "makers receive nothing from here.</p>"
    ),
    "fr": (
        "<h2>Qui est responsable ?</h2>\n<p>C'est la personne qui a mis cette page en ligne. "
        "Orchard est un logiciel libre ; ses auteurs ne reçoivent rien d'ici.</p>"
    ),
}
