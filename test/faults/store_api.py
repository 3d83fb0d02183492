"""What a daemon asks of a store by each API, as a matrix of faults has to know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from faults.proxy import Call, Exchange, Fault, answers
from faults.strangers import says
from servers.operations import azure_block, azure_operation, gcs_bucket, gcs_key, gcs_operation, operation


def _in_path(call: Call) -> tuple[str, str]:
    """Bucket and key."""
    bucket, _, key = call.path.lstrip("/").partition("/")
    return bucket, key


@dataclass(frozen=True)
class Api:
    """``operation``: what the API calls a request. ``place``: its bucket and key.

    ``reads`` and ``writes``: all operations; ``compared``: those of the reads by which a comparison finds out
    what is there. ``tell``: operations with a body, ``told``: those whose answers have one. ``sends``: those
    that carry bytes of objects, ``part`` of a request: what tells it from others of its key. ``makes``: those
    after which there is an object, ``updates``: after which there is other metadata. ``piece``: the operation
    that has to fail until the upload is given up, which is ``gives_up``. ``forgets``: operations whose
    failures leave an upload that nobody can list, and that ends by itself. ``is_session``: the parts of an
    upload follow each other, so that one of them that fails repeats those before it: they are one transfer.
    """

    operation: Callable[[Call], str]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    compared: tuple[str, ...]
    tell: tuple[str, ...]
    told: tuple[str, ...]
    sends: tuple[str, ...]
    makes: tuple[str, ...]
    updates: tuple[str, ...]
    place: Callable[[Call], tuple[str, str]] = _in_path
    part: Callable[[Call], str] = lambda call: ""
    piece: str = ""
    gives_up: str = ""
    forgets: tuple[str, ...] = ()
    is_session: bool = False

    @property
    def asked(self) -> tuple[str, ...]:
        """What is asked while changes are copied: all but what only a comparison asks."""
        return tuple(name for name in (*self.writes, *self.reads) if name not in self.compared)


S3 = Api(
    operation,
    reads=("HeadObject", "GetObject", "ListObjects", "ListMultipartUploads"),
    writes=(
        *("PutObject", "CopyObject", "DeleteObjects", "CreateMultipartUpload", "UploadPart"),
        *("UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload"),
    ),
    # a comparison also looks for uploads that were left open
    compared=("GetObject", "ListObjects", "ListMultipartUploads"),
    tell=("PutObject", "UploadPart", "DeleteObjects", "CompleteMultipartUpload"),
    told=(
        *("GetObject", "ListObjects", "ListMultipartUploads", "CopyObject", "DeleteObjects"),
        *("CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"),
    ),
    sends=("PutObject", "UploadPart"),
    makes=("PutObject", "CompleteMultipartUpload"),
    updates=("CopyObject", "CompleteMultipartUpload", "PutObject"),
    part=lambda call: call.query if "partNumber" in call.query else "",
    piece="UploadPart",
    gives_up="AbortMultipartUpload",
)

#: large objects are streams there, as small ones are, and there are no conditions
GOOGLE = Api(
    operation,
    reads=("HeadObject", "GetObject", "ListObjects"),
    writes=("PutObject", "CopyObject", "DeleteObjects"),
    compared=("GetObject", "ListObjects"),
    tell=("PutObject", "DeleteObjects"),
    told=("GetObject", "ListObjects", "CopyObject", "DeleteObjects"),
    sends=("PutObject",),
    makes=("PutObject",),
    updates=("CopyObject", "PutObject"),
)

AZURE = Api(
    azure_operation,
    reads=("GetBlobProperties", "GetBlob", "ListBlobs"),
    writes=(*("PutBlob", "PutBlock", "PutBlockList", "SetBlobProperties", "SetBlobMetadata", "DeleteBlob"),),
    compared=("GetBlob", "ListBlobs"),
    tell=("PutBlob", "PutBlock", "PutBlockList"),
    told=("GetBlob", "ListBlobs"),
    sends=("PutBlob", "PutBlock"),
    makes=("PutBlob", "PutBlockList"),
    updates=("SetBlobMetadata", "PutBlob", "PutBlockList"),
    part=azure_block,
)

GCS = Api(
    gcs_operation,
    reads=("GetObject", "ReadObject", "ListObjects"),
    writes=(
        *("InsertObject", "StartSession", "PutChunk", "AskSession", "EndSession"),
        *("PatchObject", "DeleteObject"),
    ),
    compared=("ReadObject", "ListObjects"),
    tell=("InsertObject", "PutChunk"),
    told=("GetObject", "ReadObject", "ListObjects", "InsertObject", "PatchObject"),
    sends=("InsertObject", "PutChunk"),
    makes=("InsertObject", "PutChunk"),
    updates=("PatchObject", "InsertObject", "PutChunk"),
    place=lambda call: (gcs_bucket(call), gcs_key(call)),
    part=lambda call: call.headers.get("content-range", ""),
    piece="PutChunk",
    gives_up="EndSession",
    forgets=("StartSession", "EndSession"),
    is_session=True,
)


def corrupts_media(exchange: Exchange) -> None:
    """One bit of an object's bytes changes on the way; what describes them arrives as it is."""
    exchange.read_body()
    body = bytearray(exchange.request.body)
    end = body.rfind(b"\r\n--")  # of a multipart body
    body[(end if end > 0 else len(body)) - 1] ^= 1
    exchange.request.body = bytes(body)
    exchange.forward()
    exchange.reply()


def refuses(status: int, reason: str, **headers: str) -> Fault:
    """As Google's JSON API says it."""
    document = f'{{"error": {{"code": {status}, "message": "a test", "errors": [{{"reason": "{reason}"}}]}}}}'
    return says(status, "application/json", document.encode(), **headers)


APIS: Mapping[str, Api] = {"azure": AZURE, "gcs": GCS, "google": GOOGLE}
#: how those stores refuse a request
REFUSALS: Mapping[str, Mapping[str, Fault]] = {
    "azure": {
        "503 busy": answers(503, "ServerBusy", retry_after=0.1),
        "500": answers(500, "OperationTimedOut"),
        "401 token": answers(401, "InvalidAuthenticationInfo"),
        "403 credentials": answers(403, "AuthenticationFailed"),
        "403 denied": answers(403, "AuthorizationPermissionMismatch"),
    },
    "gcs": {
        "429 rate": refuses(429, "rateLimitExceeded", Retry_After="0.1"),
        "503": refuses(503, "backendError"),
        "401 token": refuses(401, "authError"),
        "403 denied": refuses(403, "forbidden"),
    },
    "google": {
        "429 rate": answers(429, "SlowDown", retry_after=0.1),
        "503": answers(503, "ServiceUnavailable"),
        "403 credentials": answers(403, "SignatureDoesNotMatch"),
        "403 denied": answers(403, "AccessDenied"),
    },
}
