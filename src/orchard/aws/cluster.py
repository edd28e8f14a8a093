"""The steps of `orchard cluster`: from settings and images to a job in the EU, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from orchard.aws import launch as launches
from orchard.aws import (
    named_images,
    notebooks,
    package,
    packed,
    preflight,
    public_access,
    serverless,
    stack,
    sync,
)
from orchard.aws.access import Access, check_region_of, keys_of, place_of, warn_of_policies
from orchard.aws.account import Account
from orchard.aws.backend import Backend, backend_of
from orchard.aws.job import DESCRIPTION, MAIN, WEIGHTS, describe
from orchard.aws.launch import Launch
from orchard.aws.run_job_flow import SCRIPTS, script_key
from orchard.aws.uploads import IMAGES, Uploads
from orchard.cloud.estimate import CloudEstimate, Workload, estimate, guard
from orchard.cloud.regions import bucket_of
from orchard.cloud.settings import ClusterConfig
from orchard.config import RunConfig
from orchard.errors import ConfigError
from orchard.progress import Reporter
from orchard.storage import is_remote
from orchard.store.runs import new_run_id

RESULTS, JOBS, CODE = "results/", "jobs/", "code/"


@dataclass(frozen=True, slots=True)
class Cluster:
    """An account's stack, and what is done with it. Raises botocore's errors (see account)."""

    account: Account
    config: ClusterConfig
    reporter: Reporter = field(default_factory=Reporter)
    build: Callable[..., Path] = package.build

    @property
    def bucket(self) -> str:
        return stack.bucket_name(self.account, self.config.name)

    def backend(self) -> Backend:
        """Raises OrchardError where the stack was not made."""
        outputs = stack.outputs(self.account, self.config.name)
        if not self.config.is_serverless:
            outputs |= stack.outputs(self.account, stack.ec2_name(self.config.name))
        return backend_of(self.account, self.config, outputs)

    def as_running(self) -> Cluster:
        """With the shape of the cluster that runs, whatever the options of this command say."""
        if self.config.is_serverless:
            return self
        running = self._running(self.backend())
        found = launches.find(self.account, self.bucket, running)
        if found is None:
            return self
        names = ("timeout", "max_cost", "eur_per_usd", "package")
        mine = {name: getattr(self.config, name) for name in names}
        return replace(self, config=replace(found.config, **mine))

    def check_granted(self, run: RunConfig, wanted: Access) -> None:
        """Raises ConfigError for a place that jobs would be refused, on paid machines."""
        granted = stack.granted(self.account, self.config.name)
        refused = sorted({*wanted.sources} - {*granted.sources})
        if refused:
            raise ConfigError(
                f"SOURCE s3://{refused[0]}: jobs may not read that bucket yet; `orchard cluster up "
                f"--source-bucket {refused[0]}` allows it"
            )
        if wanted.outputs and not granted.may_write(run.output):
            raise ConfigError(
                f"OUTPUT {run.output}: jobs may not write there yet; `orchard cluster up "
                f"--output-bucket s3://{wanted.outputs[0]}` allows it"
            )
        keys = {*wanted.keys} - {*granted.keys}
        keys |= {*wanted.output_keys} - {*granted.output_keys}
        if keys:
            raise ConfigError(
                f"{min(keys)}: jobs may not use that key yet; the `orchard cluster up` that names "
                "the bucket allows it"
            )

    def check_places(self, run: RunConfig) -> Access:
        """What the run touches beyond the stack's bucket: in its region, keys allowed or told.

        Raises ConfigError.
        """
        sources = tuple(url for url in run.sources if is_remote(url))
        sources += named_images.remote_places(run, self._uploads.named(run))
        return self.access(sources, (run.output,) if is_remote(run.output) else ())

    def access(self, sources: tuple[str, ...], outputs: tuple[str, ...]) -> Access:
        """What jobs need for s3:// addresses of images and of results. Raises ConfigError."""
        own = f"s3://{self.bucket}/"
        for url in outputs:
            if f"{url}/".startswith(own) and not url.startswith(f"{own}{RESULTS}"):
                raise ConfigError(
                    f"OUTPUT {url}: jobs may write below {own}{RESULTS} only; give a folder there, "
                    "or a local one, into which the report is fetched"
                )
        sources = tuple(url for url in sources if not f"{url}/".startswith(own))
        outputs = tuple(url for url in outputs if not url.startswith(own))
        for url in (*sources, *outputs):
            check_region_of(self.account, url)
        return Access(
            tuple(sorted({bucket_of(url) for url in sources})),
            tuple(sorted({place_of(url) for url in outputs})),
            self._keys(sources, ["kms:Decrypt"]),
            self._keys(outputs, ["kms:Decrypt", "kms:GenerateDataKey"]),
        )

    def _keys(self, urls: tuple[str, ...], actions: list[str]) -> tuple[str, ...]:
        arns = sorted({arn for url in urls for arn in keys_of(self.account, url)})
        kind = "job" if self.config.is_serverless else "node"
        role = f"{self.config.name}-{self.account.region}-{kind}"
        warn_of_policies(self.account, arns, role, actions, self.reporter.warn)
        return tuple(arns)

    def plan_upload(self, run: RunConfig) -> list[tuple[sync.Upload, str]]:
        """For each local SOURCE what is to be sent, and where it will lie."""
        return self._uploads.plan(run)

    def workload(
        self, run: RunConfig, uploads: list[tuple[sync.Upload, str]], rate: float | None
    ) -> Workload:
        """How much there is to embed. rate: images/s of one slot, where it was measured."""
        return self._uploads.workload(run, uploads, rate)

    @property
    def _uploads(self) -> Uploads:
        return Uploads(self.account, self.config, self.bucket, self.reporter)

    def estimate(self, work: Workload) -> CloudEstimate:
        """Raises ConfigError where it may cost more than `max_cost` or not end in time."""
        found = estimate(self.config, work)
        guard(self.config, found)
        return found

    def check_account(self) -> None:
        """Raises ConfigError for what AWS would refuse after the first machine is paid for."""
        preflight.check(self.account, self.config, self.reporter)

    def deploy(self, access: Access | None = None) -> Backend:
        """Stacks, code and, for EC2, scripts and the notebooks' password."""
        serverless.rest(self.account, self.config.name)
        own = self.config.bootstrap
        if own and is_remote(own):
            access = (access or Access()) | self.access((own,), ())
        outputs = stack.deploy(self.account, self.config, access, self.reporter.say)
        s3 = self.account.client("s3")
        s3.put_object(Bucket=self.bucket, Key=f"{CODE}main.py", Body=MAIN.encode())
        if not self.config.is_serverless:
            for script in SCRIPTS:
                body = (files("orchard.aws") / "scripts" / script).read_bytes()
                s3.put_object(Bucket=self.bucket, Key=f"{CODE}{script}", Body=body)
            if own and (key := script_key(own)):
                sync.put_file(self.account, self.bucket, key, Path(own))
            public_access.close(self.account, self.bucket, self.reporter.say)
        if self.config.notebooks:
            notebooks.set_password(self.account, self.config.name)
            notebooks.put_example(self.account, self.bucket)
        return backend_of(self.account, self.config, outputs)

    def upload_code(self) -> str:
        """The archive's URL in the bucket."""
        self.reporter.say("code: putting the archive together (once per version, then cached)")
        extras = ("s3", "ml") if self.config.notebooks else ("s3",)
        path = self.build(self.config.architecture, extras=extras, packages=self.config.package)
        return sync.put_file(self.account, self.bucket, f"{CODE}{path.name}", path)

    def upload_images(
        self, uploads: list[tuple[sync.Upload, str]], run: RunConfig | None = None
    ) -> None:
        """run: of which they are, where any is packed."""
        for upload, prefix in uploads:
            if upload.packs and run is not None:
                packed.send(upload, prefix, run, self.account.region, self.reporter)
                continue
            self.reporter.say(
                f"images: {len(upload.missing):,} of {upload.n_files:,} to s3://{self.bucket}/"
                f"{prefix}"
            )
            sync.send(self.account, upload, self.reporter)

    def prepare(self, run: RunConfig, launch_id: str) -> tuple[str, RunConfig]:
        """Write the job's description; (its folder's URL, the run as it will be on the cluster)."""
        distant = self.distant(run)
        described = {"run": describe(distant), "weights": self._weights(run, launch_id)}
        for table in named_images.tables_of(run):
            key = f"{JOBS}{named_images.TABLES}{Path(table).name}"
            sync.put_file(self.account, self.bucket, key, Path(table))
        key = f"{JOBS}{launch_id}/{DESCRIPTION}"
        body = json.dumps(described, indent=1).encode()
        self.account.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{JOBS}{launch_id}", distant

    def distant(self, run: RunConfig) -> RunConfig:
        """The run with its places in the bucket."""

        def place(source: str) -> str:
            if is_remote(source):
                return source
            return f"s3://{self.bucket}/{IMAGES}{Path(source).resolve().name}"

        output = run.output
        if not is_remote(output):
            output = f"s3://{self.bucket}/{RESULTS}{Path(output).resolve().name}"
        return replace(
            named_images.placed(run, f"s3://{self.bucket}/{JOBS}"),
            sources=tuple(place(source) for source in run.sources),
            output=output,
            region=self.account.region,
            endpoint_url=None,
        )

    def submit(
        self,
        backend: Backend,
        run: RunConfig,
        code: str,
        *,
        alone: bool,
        expected: CloudEstimate | None = None,
    ) -> Launch:
        """Start the run as a job; alone: on a cluster of its own, which it ends."""
        launch_id = new_run_id()
        url, distant = self.prepare(run, launch_id)
        eur = expected.total_eur if expected else None

        def keep(cluster: str, job: str | None = None) -> Launch:
            made = Launch(launch_id, self.config, cluster, job, url, describe(distant), eur)
            launches.save(self.account, self.bucket, made)
            return made

        return keep(*backend.submit(url, code, None if alone else self._running(backend), keep))

    def start(self, access: Access | None = None) -> Launch:
        """The stack and, on EC2, a cluster: the one that runs, as it was started, or a new one."""
        backend = self.deploy(access)
        running = None if self.config.is_serverless else backend.running()
        found = launches.find(self.account, self.bucket, running) if running else None
        if found is not None:
            self.reporter.say(f"cluster {running} runs already, as {found.id} started it")
            return found
        code = self.upload_code() if self.config.notebooks else None
        made = Launch(new_run_id(), self.config, backend.up(code))
        launches.save(self.account, self.bucket, made)
        return made

    def _running(self, backend: Backend) -> str | None:
        """What takes jobs. Raises ConfigError where no cluster runs on EC2."""
        found = backend.running()
        if found is None and not self.config.is_serverless:
            raise ConfigError(
                f"no cluster of {self.config.name} runs; start one with `orchard cluster up "
                "--backend ec2`, or use `orchard cluster run`"
            )
        return found

    def _weights(self, run: RunConfig, launch_id: str) -> list[dict[str, str]]:
        """Send the networks along: the cluster has no way to the place they come from."""
        from orchard.model.named import named

        names = named(run.weights)
        sent = [self._network(name, f"{n}/", launch_id) for n, name in enumerate(names)]
        return sent if any(one["file"] for one in sent) else []

    def _network(self, weights: str, folder: str, launch_id: str) -> dict[str, str]:
        from orchard.model.registry import CARDS
        from orchard.model.weights import cache_dir, cached_weights

        card = CARDS.get(weights)
        if card and not card.source:
            return {"file": "", "name": card.name}
        if card and card.source and card.file_name:
            cached_weights(card.source, card.file_name)
            path, name, folder = cache_dir() / card.file_name, card.name, ""
        else:
            path, name = Path(weights).expanduser(), ""
        if not path.is_file():
            raise ConfigError(f"--weights {weights}: there is no such file")
        file = f"{folder}{path.name}"
        sync.put_file(self.account, self.bucket, f"{JOBS}{launch_id}/{WEIGHTS}/{file}", path)
        return {"file": file, "name": name}
