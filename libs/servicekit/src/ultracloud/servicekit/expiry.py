"""When our certificate ends, as a metric, whoever renews it: an alarm rests on this."""

from __future__ import annotations

import math
from pathlib import Path
from time import time

from prometheus_client import CollectorRegistry, Gauge

from ultracloud.servicekit.pki import expires_in_s


def tell_expiry(
    registry: CollectorRegistry,
    certificate: Path,
    whose: str = "ultracloud_certificate",
    about: str = "When this process's certificate ends, in seconds since 1970",
) -> None:
    """Have each scrape look when the certificate in a file ends; not a number while there is none."""

    def ends_s() -> float:
        try:
            return time() + expires_in_s(certificate)
        except (OSError, ValueError):
            return math.nan

    gauge = Gauge(f"{whose}_expires_timestamp_seconds", about, registry=registry)
    gauge.set_function(ends_s)
