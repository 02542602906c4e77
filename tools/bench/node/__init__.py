"""The part `node`: `@eonpro/phi` beside the same calls by hand: a field, the start, the size of a bundle.

Starts Node, with a server of this process in the place of KMS; npm installs what it needs once.
"""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from eonpro_phi import PhiCipher
from tools import node_package
from tools.bench.rows import Bound, Measured, compared, counted

_FOLDER = Path(__file__).parent
_KEY = bytes(32)
_ARN = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
_LARGEST_BUNDLE = 30
"""KiB of a server's bundle, minified, without the peers."""
_BUNDLED = (
    'import { decryptPHI, encryptPHI, withKey } from "@eonpro/phi"; console.log(decryptPHI, encryptPHI, withKey);'
)


def rows(rounds: int) -> Iterator[Measured]:
    """A field; the start to the first decrypted record; a bundle."""
    built = node_package.built()
    module = (built / "dist" / "esm" / "index.js").as_uri()
    yield _encrypt(module, rounds)
    yield _start(built, module, rounds)
    yield _bundle(built)


def _encrypt(module: str, rounds: int) -> Measured:
    command = ["node", str(_FOLDER / "fields.mjs"), module, str(30 * rounds)]
    row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ours, theirs, control = ([second * 1e9 for second in row[side]] for side in ("ours", "theirs", "control"))
    return compared(
        "encrypt in Node with a key at hand, times as fast as the same calls by hand",
        ours=ours,
        theirs=theirs,
        control=control,
        bound=Bound(at_least=0.95),
        unit="ns",
        rates=True,
    )


def _start(built: Path, module: str, rounds: int) -> Measured:
    record = PhiCipher(_KEY).encrypt("Jane")
    with _kms() as address:
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": "us-east-1",
            "AWS_KMS_KEY_ID": _ARN,
            "ENCRYPTED_PHI_KEY": b64encode(bytes(184)).decode(),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
        }

        def milliseconds(side: str) -> float:
            program = [
                "node",
                "--input-type=module",
                "-e",
                (_FOLDER / "start.mjs").read_text(),
                side,
                module,
                str(record),
            ]
            started = time.perf_counter()
            subprocess.run(program, cwd=built, env=environment, check=True, capture_output=True)
            return (time.perf_counter() - started) * 1000

        for side in ("phi", "hand"):
            milliseconds(side)
        sides = [(milliseconds("phi"), milliseconds("hand"), milliseconds("hand")) for _ in range(2 * rounds)]
    ours, theirs, control = zip(*sides, strict=True)
    return compared(
        "from the start of Node to the first decrypted record / the same with client-kms alone",
        ours=ours,
        theirs=theirs,
        control=control,
        bound=Bound(at_most=1.1),
        unit="ms",
    )


def _bundle(built: Path) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "node_modules" / "@eonpro").mkdir(parents=True)
        shutil.copytree(built / "dist", folder / "node_modules" / "@eonpro" / "phi" / "dist")
        shutil.copy(built / "package.json", folder / "node_modules" / "@eonpro" / "phi")
        (folder / "server.js").write_text(_BUNDLED)
        esbuild = [
            "node",
            str(built / "node_modules" / "esbuild" / "bin" / "esbuild"),
            "server.js",
            "--bundle",
            "--minify",
        ]
        options = [
            "--platform=node",
            "--format=esm",
            "--external:@aws-sdk/*",
            "--external:@vercel/*",
            "--outfile=out.mjs",
        ]
        subprocess.run([*esbuild, *options, "--log-level=error"], cwd=folder, check=True)
        size = (folder / "out.mjs").stat().st_size / 1024
    return counted("KiB of a server's bundle of it, minified, without the peers", size, at_most=_LARGEST_BUNDLE)


@contextmanager
def _kms() -> Iterator[str]:
    """The address of a server that answers every request as KMS answers Decrypt."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps({"KeyId": _ARN, "Plaintext": b64encode(_KEY).decode()}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
