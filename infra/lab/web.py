"""One HTTP client for what the lab itself asks of other machines: bundles and registries, through the usual proxy variables."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

import urllib3

TIMEOUT = urllib3.Timeout(connect=10, read=60)
RETRIES = urllib3.Retry(total=3, backoff_factor=0.5, redirect=3)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def pool(url: str) -> urllib3.PoolManager:
    """Connections to the host of `url`; certificates are checked against the system's authorities (SSL_CERT_FILE adds others)."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    host = parts.hostname or ""
    if proxy and host not in LOOPBACK and not urllib.request.proxy_bypass(host):
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", timeout=TIMEOUT, retries=RETRIES)
    return urllib3.PoolManager(timeout=TIMEOUT, retries=RETRIES)


def why(failed: Exception) -> str:
    """The cause of a failed request, without the client's own wrapping."""
    return str(getattr(failed, "reason", None) or failed).split(": ", 1)[-1]
