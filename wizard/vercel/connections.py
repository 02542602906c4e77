"""The connections to an API: through the environment's proxy, with its certificates.

Touches the network; reads the variables of proxies and certificates.
"""

import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

CONNECTIONS = 8
"""Kept open at once."""


def make_pool(base_url: str, *, local: bool) -> urllib3.PoolManager:
    """The connection pool; through the proxy of the environment, except to this machine."""
    options: dict[str, Any] = {"maxsize": CONNECTIONS}
    parsed = urlsplit(base_url)
    if parsed.scheme == "https":
        options["ssl_context"] = _trust(os.environ)
    proxies = {} if local or proxy_bypass(parsed.netloc) else getproxies()
    proxy = proxies.get(parsed.scheme) or proxies.get("all")
    if not proxy:
        return urllib3.PoolManager(**options)
    login = urlsplit(proxy)
    if login.username is not None:
        basic = f"{unquote(login.username)}:{unquote(login.password or '')}"
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=basic)
    return urllib3.ProxyManager(proxy, **options)


def _trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The certificate authorities that the environment names, else those of certifi."""
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
