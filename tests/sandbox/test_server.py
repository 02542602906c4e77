"""The server's start: what it reads of botocore's descriptions, it reads once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

SERVER = """
import botocore.loaders
read, load = [], botocore.loaders.JSONFileLoader.load_file
def loaded(self, path):
    found = load(self, path)
    read.extend([path] if found is not None else [])
    return found
botocore.loaders.JSONFileLoader.load_file = loaded
import sandbox.server
import botocore.session
botocore.session.get_session().get_available_regions("ec2")
print(len(read) > 2, "twice:", sorted({path for path in read if read.count(path) > 1}))
"""


def test_no_description_is_read_twice_by_the_server():
    done = subprocess.run([sys.executable, "-c", SERVER], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "True twice: []\n"
