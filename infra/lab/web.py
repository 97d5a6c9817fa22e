"""One HTTP client for what the lab itself asks of other machines: bundles and registries, through the usual proxy variables."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

import urllib3

TIMEOUT = urllib3.Timeout(connect=10, read=60)
RETRIES = urllib3.Retry(total=3, backoff_factor=0.5, redirect=3)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def pool(url: str, patience_s: float | None = None) -> urllib3.PoolManager:
    """Connections to the host of `url`; certificates are checked against the system's authorities (SSL_CERT_FILE adds others).

    With `patience_s` a host that is silent for so long is given up at once, without another try.
    """
    timeout = urllib3.Timeout(connect=patience_s, read=patience_s) if patience_s else TIMEOUT
    retries = urllib3.Retry(total=None, connect=0, read=0, other=0, status=0, redirect=3) if patience_s else RETRIES
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    host = parts.hostname or ""
    if proxy and host not in LOOPBACK and not urllib.request.proxy_bypass(host):
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", timeout=timeout, retries=retries)
    return urllib3.PoolManager(timeout=timeout, retries=retries)


def why(failed: Exception) -> str:
    """The cause of a failed request, without the client's own wrapping."""
    return str(getattr(failed, "reason", None) or failed).split(": ", 1)[-1]
