"""What a mapping does at its store, and what has to permit it there.

docs/iam.md has the whole policies. Sources: AWS Service Authorization Reference, "Actions, resources, and
condition keys for Amazon S3"; Google Cloud Storage, "IAM permissions for XML requests";
Azure, "Authorize access to blobs using Microsoft Entra ID", "Create a service SAS".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum


class Operation(Enum):
    """One kind of request. The values are shown to operators."""

    LIST_BUCKETS = "list buckets"
    CREATE_BUCKET = "create containers"
    PUT = "PUT"
    POST = "POST"
    HEAD = "HEAD"
    GET = "GET"
    LIST = "LIST"
    DELETE = "DELETE"
    MULTIPART = "multipart upload"
    ABORT = "abort upload"
    LIST_UPLOADS = "list uploads"
    READ_RULES = "read lifecycle rules"
    WRITE_RULES = "write lifecycle rules"
    TAG = "tags"
    ACL = "ACL"
    KMS = "KMS key"


_OBJECTS, _BUCKET, _ACCOUNT = "{bucket}/*", "{bucket}", "*"
_S3: Mapping[Operation, tuple[str, tuple[str, ...]]] = {
    Operation.LIST_BUCKETS: (_ACCOUNT, ("s3:ListAllMyBuckets",)),
    Operation.CREATE_BUCKET: (_BUCKET, ("s3:CreateBucket",)),
    Operation.PUT: (_OBJECTS, ("s3:PutObject",)),
    # a copy of the object onto itself
    Operation.POST: (_OBJECTS, ("s3:GetObject", "s3:PutObject")),
    Operation.HEAD: (_OBJECTS, ("s3:GetObject",)),
    Operation.GET: (_OBJECTS, ("s3:GetObject",)),
    # without it S3 answers a HEAD of what is missing with 403
    Operation.LIST: (_BUCKET, ("s3:ListBucket",)),
    Operation.DELETE: (_OBJECTS, ("s3:DeleteObject",)),
    Operation.MULTIPART: (_OBJECTS, ("s3:PutObject",)),
    Operation.ABORT: (_OBJECTS, ("s3:AbortMultipartUpload",)),
    Operation.LIST_UPLOADS: (_BUCKET, ("s3:ListBucketMultipartUploads",)),
    Operation.READ_RULES: (_BUCKET, ("s3:GetLifecycleConfiguration",)),
    Operation.WRITE_RULES: (_BUCKET, ("s3:PutLifecycleConfiguration",)),
    Operation.TAG: (_OBJECTS, ("s3:PutObjectTagging",)),
    Operation.ACL: (_OBJECTS, ("s3:PutObjectAcl",)),
}
#: on the key, whose ARN the profile may not have
_KMS = ("kms:GenerateDataKey", "kms:Decrypt")
_GOOGLE: Mapping[Operation, str] = {
    Operation.LIST_BUCKETS: "storage.buckets.list",
    Operation.CREATE_BUCKET: "storage.buckets.create",
    # an overwrite deletes
    Operation.PUT: "storage.objects.create, storage.objects.delete",
    Operation.POST: "storage.objects.get, storage.objects.create, storage.objects.delete",
    Operation.HEAD: "storage.objects.get",
    Operation.GET: "storage.objects.get",
    Operation.LIST: "storage.objects.list",
    Operation.DELETE: "storage.objects.delete",
    Operation.MULTIPART: "storage.multipartUploads.create, storage.objects.create",
    Operation.ABORT: "storage.multipartUploads.abort",
    Operation.LIST_UPLOADS: "storage.multipartUploads.list",
    Operation.READ_RULES: "storage.buckets.get",
    Operation.WRITE_RULES: "storage.buckets.update",
    Operation.ACL: "storage.objects.setIamPolicy",
}
#: Cloud Storage documentation, "IAM permissions for JSON methods"
_GCS: Mapping[Operation, str] = {
    Operation.LIST_BUCKETS: "storage.buckets.list",
    Operation.CREATE_BUCKET: "storage.buckets.create",
    Operation.PUT: "storage.objects.create, storage.objects.delete",
    Operation.HEAD: "storage.objects.get",
    Operation.GET: "storage.objects.get",
    Operation.LIST: "storage.objects.list",
    Operation.DELETE: "storage.objects.delete",
    # in place
    Operation.POST: "storage.objects.get, storage.objects.update",
    Operation.READ_RULES: "storage.buckets.get",
    Operation.WRITE_RULES: "storage.buckets.get, storage.buckets.update",
    Operation.KMS: "cloudkms.cryptoKeyVersions.useToEncrypt for the service agent of Cloud Storage",
}
#: of the role that permits it, and of a SAS
_AZURE: Mapping[Operation, tuple[str, str]] = {
    Operation.LIST_BUCKETS: ("Storage Blob Data Reader on the account", "l (service)"),
    Operation.CREATE_BUCKET: ("Storage Blob Data Contributor on the account", "c (container)"),
    Operation.PUT: ("Storage Blob Data Contributor", "cw"),
    Operation.POST: ("Storage Blob Data Contributor", "rw"),
    Operation.HEAD: ("Storage Blob Data Contributor", "r"),
    Operation.GET: ("Storage Blob Data Contributor", "r"),
    Operation.LIST: ("Storage Blob Data Contributor", "l"),
    Operation.DELETE: ("Storage Blob Data Contributor", "d"),
    Operation.MULTIPART: ("Storage Blob Data Contributor", "cw"),
    Operation.READ_RULES: ("Storage Account Contributor on the account", ""),
    Operation.WRITE_RULES: ("Storage Account Contributor on the account", ""),
}
_READS = frozenset({Operation.HEAD, Operation.GET, Operation.LIST})


def s3_statement(operation: Operation, bucket: str, partition: str = "aws") -> str:
    """The statement of an IAM policy that permits the operation."""
    if operation is Operation.KMS:
        return _statement(_KMS, "the ARN of the key")
    where, actions = _S3[operation]
    resource = "*" if where == _ACCOUNT else f"arn:{partition}:s3:::{where.format(bucket=bucket)}"
    return _statement(actions, resource)


def google_permissions(operation: Operation, bucket: str) -> str:
    """The permissions that a role must have; empty if there are none for it."""
    permissions = _GOOGLE.get(operation, "")
    return f"a role with {permissions} on the bucket {bucket}" if permissions else ""


def gcs_permissions(operation: Operation, bucket: str) -> str:
    """As ``google_permissions``, for the JSON API."""
    permissions = _GCS.get(operation, "")
    if operation is Operation.KMS:
        return permissions
    where = "the project" if operation in (Operation.LIST_BUCKETS, Operation.CREATE_BUCKET) else bucket
    return f"a role with {permissions} on {where}" if permissions else ""


def azure_role(operation: Operation, container: str) -> str:
    """The role of an identity, or the permission of a SAS; empty if there is none for it. An account key
    permits everything but rules."""
    role, sas = _AZURE.get(operation, ("", ""))
    if not role:
        return ""
    where = "" if " on " in role else f" on the container {container}"
    return f"the role {role}{where}" + (f", or a SAS with {sas}" if sas else "")


def swift_acl(operation: Operation, container: str, who: str) -> str:
    """The ACL of a container of another Swift."""
    if operation in (Operation.LIST_BUCKETS, Operation.CREATE_BUCKET):
        return f"a role on the account, such as swiftoperator, for {who}"
    header = "X-Container-Read" if operation in _READS else "X-Container-Write"
    return f"{header}: {who} on the container {container}, or a role on the account"


def _statement(actions: tuple[str, ...], resource: str) -> str:
    action = actions[0] if len(actions) == 1 else list(actions)
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource}, ensure_ascii=False)
