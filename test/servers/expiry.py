"""Objects that expire while a test looks on."""

from __future__ import annotations

import swiftclient

from servers.process import wait_until


def expire(client: swiftclient.Connection, container: str, name: str) -> None:
    """Let an object expire now; its metadata goes, as with every POST. It takes up to two seconds."""

    def told() -> bool:
        try:
            client.post_object(container, name, headers={"X-Delete-After": "1"})
        except swiftclient.ClientException as error:
            if error.http_status != 400:  # the object server heard of it when the second was over
                raise
            return False
        return True

    def expired() -> bool:
        try:
            client.head_object(container, name)
        except swiftclient.ClientException as error:
            return bool(error.http_status == 404)
        return False

    wait_until(told, 30, "a time to expire")
    wait_until(expired, 30, "expiry")
