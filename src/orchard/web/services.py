"""What the routes share: the predictor, the pool, the limits, the known images, the counts."""

from __future__ import annotations

import secrets

from orchard.classify.files import load_classifier, version_of
from orchard.classify.predictor import Predictor
from orchard.store import accepted, recorded_sources
from orchard.store.output import Output
from orchard.web.limits import Rate, Uploads
from orchard.web.metrics import Metrics
from orchard.web.pages import Pages, keeps
from orchard.web.places import Places
from orchard.web.pool import Pool
from orchard.web.settings import ServeConfig
from orchard.web.site import site
from orchard.web.thumbnails import Thumbnails

_WAITING_THUMBNAILS = 256


class Services:
    """Loaded before the first request. Raises ClassifierError where nothing was trained."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        self.output = Output.at(config.output, config.storage)
        self._thumbnail_key = secrets.token_bytes(32)
        self._load()
        self.pool = Pool(config.n_workers, config.queue, config.answer_seconds)
        # Known images are read from disks and buckets: they wait beside, not before, an answer.
        self.thumbnail_pool = Pool(1, _WAITING_THUMBNAILS, config.answer_seconds)
        self.rate = Rate(config.rate)
        self.uploads = Uploads(config.uploads, config.uploads_per_address, config.upload_memory)
        self.places = Places(
            self.output, config.max_contributions, config.contributions_per_address
        )
        self.metrics = Metrics(self.pool)
        self.is_ready = True

    def close(self) -> None:
        self.is_ready = False
        self.pool.close()
        self.thumbnail_pool.close()

    def refresh(self) -> None:
        """Reload the classifier if another was trained, or an image erased from this one.

        Raises ClassifierError or TableError, also while files are being written; what was loaded
        then keeps answering.
        """
        if version_of(self.output, self.config.classifier) != self._version:
            self._load()

    def _load(self) -> None:
        config = self.config
        found = version_of(self.output, config.classifier)
        classifier = load_classifier(self.output, config.classifier)
        self.predictor = Predictor(
            classifier, threads=1, scaled=True, decode_seconds=config.decode_seconds
        )
        self.pages = Pages(site(classifier, keeps(config)).files)
        # What one person gave is shown to no other.
        gallery = [path for path in classifier.gallery.paths if accepted.giver_of(path) is None]
        known = gallery if config.thumbnails else ()
        confines = recorded_sources.confines(self.output, config.sources)
        self.thumbnails = Thumbnails(
            known, confines, config.storage, config.max_pixels, self._thumbnail_key
        )
        self.n_outside = len(set(known)) - len(self.thumbnails)
        self._version = found
