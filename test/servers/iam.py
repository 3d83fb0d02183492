"""moto with users whose policies it enforces, and whose signatures it checks."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

import boto3

from servers.moto import MotoServer
from servers.pair import Store
from servers.s3 import REGION

_EVERYTHING: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
_POLICY = "policy"


class IamServer(MotoServer):
    """``client`` has the keys of a user who may do everything, ``store`` those of one who may do what
    ``permit`` says."""

    name = "iam"

    def enforce(self) -> IamServer:
        """Make the users, and let moto look at their policies from now on."""
        self.access_key, self.secret_key = self._new_user("admin", _EVERYTHING)
        self._keys = self._new_user("sync")
        # moto's own way to turn that on, from the next request on
        plain = {"Content-Type": "text/plain"}
        with urlopen(Request(f"{self.endpoint}/moto-api/reset-auth", b"0", plain)):
            pass
        return self

    def store(self) -> Store:
        return Store(self.name, self.endpoint, *self._keys)

    def permit(self, policy: dict[str, Any]) -> None:
        """The only policy of the user, from the next request on."""
        self._put_policy("sync", policy)

    def _new_user(self, name: str, policy: dict[str, Any] | None = None) -> tuple[str, str]:
        iam = self._iam()
        iam.create_user(UserName=name)
        if policy is not None:
            self._put_policy(name, policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def _put_policy(self, user: str, policy: dict[str, Any]) -> None:
        self._iam().put_user_policy(UserName=user, PolicyName=_POLICY, PolicyDocument=json.dumps(policy))

    def _iam(self) -> Any:
        return boto3.session.Session().client(
            "iam",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
        )
