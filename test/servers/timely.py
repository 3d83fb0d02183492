"""A Swift that takes the X-Timestamp of its clients, as one does whose operator wants it to be a target."""

from __future__ import annotations

from servers.swift import SwiftCluster

GATEKEEPER = """
[filter:gatekeeper]
use = egg:swift#gatekeeper
shunt_inbound_x_timestamp = false
"""


class TimelySwift(SwiftCluster):
    name = "timely"

    def __init__(self) -> None:
        super().__init__(proxy_extra=GATEKEEPER)
