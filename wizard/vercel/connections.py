"""The connections to an API: through the environment's proxy, with its certificates; each call has one time and size.

Touches the network; reads the variables of proxies and certificates.
"""

import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from wizard.core import call_limit

CONNECTIONS = 8
"""Kept open at once."""
PIECE_BYTES = 2**16


class TooLarge(urllib3.exceptions.HTTPError):
    """An answer is larger than any answer may be, unpacked."""


def read_content(response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole content, unpacked. Raises TooLarge."""
    content = bytearray()
    try:
        # A piece of what was packed unpacks to no more than asked for.
        while piece := response.read(PIECE_BYTES, decode_content=True):
            content += piece
            if len(content) > call_limit.ANSWER_BYTES:
                raise TooLarge(f"its answer is larger than {call_limit.size(call_limit.ANSWER_BYTES)}")
    except BaseException:
        # What is left of it must not be taken for the next answer.
        response.close()
        raise
    response.release_conn()
    return bytes(content)


def make_pool(base_url: str, *, local: bool) -> urllib3.PoolManager:
    """The connection pool; through the proxy of the environment, except to this machine."""
    options: dict[str, Any] = {"maxsize": CONNECTIONS}
    parsed = urlsplit(base_url)
    if parsed.scheme == "https":
        options["ssl_context"] = _trust(os.environ)
    proxies = {} if local or proxy_bypass(parsed.netloc) else getproxies()
    proxy = proxies.get(parsed.scheme) or proxies.get("all")
    if not proxy:
        return _limited(urllib3.PoolManager(**options))
    login = urlsplit(proxy)
    if login.username is not None:
        basic = f"{unquote(login.username)}:{unquote(login.password or '')}"
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=basic)
    return _limited(urllib3.ProxyManager(proxy, **options))


class _Http(call_limit.LimitedConnection, urllib3.connection.HTTPConnection):
    """urllib3's connection over HTTP."""


class _Https(call_limit.LimitedConnection, urllib3.connection.HTTPSConnection):
    """urllib3's connection over TLS."""


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


def _limited(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """The same, whose connections keep the limit of the call that they are used for."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


def _trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The certificate authorities that the environment names, else those of certifi."""
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
