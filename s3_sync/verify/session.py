"""The checks of one destination, and the removal of what they have written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from s3_sync.errors import AccessDenied, InvalidRequest, NotFound, RemoteError, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket
from s3_sync.providers.checks.access import ACCESS, UPLOADS, delete_nothing
from s3_sync.providers.checks.base import Site
from s3_sync.providers.checks.probes import tidy
from s3_sync.providers.checks.suite import NEED_LISTINGS, PROPERTIES
from s3_sync.providers.registry import Registry
from s3_sync.verify.destination import Destination
from s3_sync.verify.diagnosis import is_denied, is_fatal, remedy
from s3_sync.verify.leftovers import remove_abandoned
from s3_sync.verify.mapping_checks import mapping_checks, remove_from_other_places
from s3_sync.verify.messages import described, failure
from s3_sync.verify.report import Report, Result
from s3_sync.verify.runner import Progress, Runner

_PUT, _DELETE = (next(check for check in ACCESS if check.name == name) for name in ("PUT", "DELETE"))
#: check -> those without which it cannot be made
_DEPENDS_ON = {"POST": {"PUT"}, "metadata": {"PUT", "POST", "HEAD"}}


class Session:
    """``with_properties``: also find out what the store is like."""

    def __init__(
        self, registry: Registry, destination: Destination, progress: Progress, with_properties: bool = True
    ) -> None:
        self._registry = registry
        self._destination = destination
        self._with_properties = with_properties
        mapping = destination.mapping
        self.report = Report(destination.title, mapping.credentials, strict=destination.is_configured)
        self._runner = Runner(self.report, mapping.bucket, progress)

    def run(self) -> Report:
        """Whatever happens, what was written is removed afterwards. Raises ConfigError, AccessDenied for
        credentials that cannot be used."""
        if not self._has_bucket():
            return self.report
        destination = self._destination
        properties = destination.mapping.credentials.properties
        self._access = Site(self._opener(destination.namer), properties, destination.name)
        self._probes = Site(self._opener(KeyNamer.literal(destination.folder)), properties)
        try:
            if self._has_access():
                self._check_everything()
        except KeyboardInterrupt:  # perhaps of a removal
            with suppress(RemoteError):
                remove_from_other_places(self._registry, self._destination)
            raise
        finally:
            self._clean_up()
        return self.report

    def _clean_up(self) -> None:
        """Remove what was written. Ctrl-C or SIGTERM begins the removal once more, a second one ends it."""
        try:
            self.report.leftovers += self._remove()
        except KeyboardInterrupt:
            self._remove()
            raise

    def _opener(self, namer: KeyNamer) -> Callable[[Mapping[str, object]], Bucket]:
        mapping = self._destination.mapping
        # whatever the class of the objects is, probes must be readable
        plain = replace(mapping, namer=namer, profile=replace(mapping.profile, storage_class=None))

        def open_bucket(changes: Mapping[str, object]) -> Bucket:
            credentials = mapping.credentials
            if changes:
                credentials = credentials.with_properties(changes)
            return self._registry.open_bucket(replace(plain, credentials=credentials))

        return open_bucket

    # The checks

    def _has_bucket(self) -> bool:
        """Whether there is a bucket to check, which may be one that is created for that."""
        mapping = self._destination.mapping
        if mapping.credentials.shares_bucket:
            return True  # nobody creates it
        provider = self._registry.provider(mapping.credentials)
        if not self._destination.creates_bucket:
            try:
                provider.head_bucket(mapping.bucket)
            except AccessDenied:
                return True  # its ACL may permit other requests
            except NotFound as error:
                if not self._destination.is_configured:
                    return self._refuse(_PUT.name, failure(_PUT.name, error), error)
                self._destination = self._destination.with_own_bucket()
                self.report.title += ", which does not exist yet: checked with a container of its own"
            except RemoteError as error:
                return self._refuse(_PUT.name, failure(_PUT.name, error), error)
            else:
                return True
        mapping = self._destination.mapping
        try:
            provider.create_bucket(mapping.bucket, mapping.profile.storage_policy or "")
        except RemoteError as error:
            return self._refuse("create containers", str(error), error)
        except KeyboardInterrupt:  # it may have been created
            self._remove_bucket()
            raise
        return True

    def _refuse(self, check: str, message: str, error: RemoteError) -> bool:
        self.report.results.append(Result(check, "failed", described(error), message))
        self.report.is_unusable = True
        return False

    def _has_access(self) -> bool:
        """Check the operations one by one; returns whether there is any point in further checks."""
        failed: set[str] = set()
        error = self._delete_nothing()
        if isinstance(error, RemoteUnavailable) and not error.status:
            self._runner.fail(_PUT, error)  # nobody answers: a PUT would wait as long
            return self._give_up(error)
        refusal: Exception | None = None
        if error is not None and is_denied(error):
            self._runner.fail(_DELETE, error)
            failed = {"PUT", "DELETE"}  # what cannot be deleted is not written
            refusal = error
        for check in ACCESS:
            if check.name in failed or failed & _DEPENDS_ON.get(check.name, set()):
                failed.add(check.name)
                if check is not _DELETE:
                    self._runner.skip(check, "not tried, after what has failed")
                continue
            problem = self._runner.run(check, self._access)
            if problem is None:
                continue
            failed.add(check.name)
            refusal = refusal or problem
            if check is _PUT and isinstance(problem, RemoteError) and is_fatal(problem):
                return self._give_up(problem)
        if isinstance(refusal, RemoteError) and not self.report.has_passed:
            self._seek_remedy(
                refusal
            )  # Alibaba and Tencent refuse buckets in the path with codes of their own
        return not failed & {"PUT", "DELETE"}

    def _delete_nothing(self) -> RemoteError | None:
        try:
            delete_nothing(self._access)
        except RemoteError as error:
            return error
        return None

    def _give_up(self, error: RemoteError) -> bool:
        self._seek_remedy(error)
        self.report.is_unusable = True
        return False

    def _seek_remedy(self, error: RemoteError) -> None:
        last = self.report.results[-1]
        self.report.results[-1] = replace(last, needed=remedy(self._access, error))

    def _check_everything(self) -> None:
        tidy(self._probes.bucket(), ())
        place = self._destination.folder.rpartition(".")[0] + "."
        remove_abandoned(self._opener(KeyNamer.literal(place))({}))
        # policies of earlier versions do not permit all of this
        tolerant = not self._destination.is_configured
        for check in UPLOADS:
            failed = self._runner.run(check, self._probes, tolerant)
            if failed is not None and check.name == "abort upload":
                self._probes.may_abort = False
        for check in mapping_checks(self._registry, self._destination):
            self._runner.run(check, self._probes, tolerant)
        if self._with_properties and not self._lacks_access():
            for check in PROPERTIES:
                if check in NEED_LISTINGS and self.report.has_failed("LIST"):
                    self._runner.skip(check, "not tried without listings")
                else:
                    self._runner.run(check, self._probes, tolerant=True)

    def _lacks_access(self) -> bool:
        """Whether one of the simple requests has failed that others need. Without listings most things
        work."""
        return any(self.report.has_failed(name) for name in ("POST", "HEAD", "metadata", "GET"))

    # The removal

    def _remove(self) -> list[str]:
        """Returns what could not be removed."""
        left: list[str] = []
        if self._access.written:
            left += self._remove_object()
        if self._probes.written:
            left += tidy(self._probes.bucket(), sorted(self._probes.written))
        if self._destination.creates_bucket:
            left += self._remove_bucket()
        return [] if self.report.is_unusable else left

    def _remove_object(self) -> list[str]:
        try:
            self._access.bucket().delete_object(self._destination.name)
        except NotFound:
            return []
        except RemoteError as error:
            return [str(error)]
        return []

    def _remove_bucket(self) -> list[str]:
        mapping = self._destination.mapping
        try:
            self._registry.provider(mapping.credentials).delete_bucket(mapping.bucket)
        except NotFound:
            return []
        except InvalidRequest as error:  # not empty: another machine uses it, too
            return [] if error.status == 409 else [str(error)]
        except RemoteError as error:
            return [str(error)]
        return []
