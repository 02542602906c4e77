"""The connections to an API: through the environment's proxy, with its certificates.

Touches the network; reads the variables of proxies and certificates.
"""

import ipaddress
import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from wizard.core.errors import UsageError

CONNECTIONS = 8
"""Kept open at once."""


def is_local(url: str, *, name: str, variable: str) -> bool:
    """Whether the endpoint of `variable` is on this machine. Raises UsageError for one that may get no token."""
    hint = f"set {variable} to an https address, or unset it"
    try:
        parsed = urlsplit(url)
        host, _ = parsed.hostname, parsed.port
    except ValueError:
        host = None
    if host is None or parsed.scheme not in ("http", "https"):
        raise UsageError(f"{url!r} is not the address of an API", hint)
    if parsed.username is not None:
        raise UsageError(f"the address of {name}'s API must not contain a user name or password", hint)
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if parsed.scheme == "http" and not local:
        raise UsageError(f"{url!r} would send the token over the network unencrypted", hint)
    return local


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
