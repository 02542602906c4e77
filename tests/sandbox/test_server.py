"""The server: it reads each service description once, keeps its connections open, and is its own proxy."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

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


@pytest.mark.thorough
def test_no_description_is_read_twice_by_the_server():
    done = subprocess.run([sys.executable, "-c", SERVER], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "True twice: []\n"


# Connections


@pytest.fixture(params=["AWS_ENDPOINT_URL", "VERCEL_API_URL"])
def connection(request: pytest.FixtureRequest, cloud: Any) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(cloud.variables[request.param]).netloc, timeout=10)
    connection.connect()
    yield connection
    connection.close()


def test_one_connection_carries_many_requests(connection: http.client.HTTPConnection) -> None:
    first_socket = connection.sock
    for _ in range(3):
        connection.request("GET", "/_sandbox/calls")
        response = connection.getresponse()
        assert (response.status, response.version, response.will_close) == (200, 11, False)
        json.loads(response.read())
    assert connection.sock is first_socket


@pytest.mark.parametrize("connection", ["AWS_ENDPOINT_URL"], indirect=True)
def test_a_body_that_nobody_read_is_not_taken_for_the_next_request(connection: http.client.HTTPConnection) -> None:
    unknown = "AWS4-HMAC-SHA256 Credential=AKIANOBODY/20260101/us-east-1/s3/aws4_request"
    connection.request("PUT", "/bucket/key", body=b"x" * 200_000, headers={"Authorization": unknown})
    refused = connection.getresponse()
    assert (refused.status, b"InvalidAccessKeyId" in refused.read()) == (403, True)

    connection.request("GET", "/_sandbox/calls")

    assert connection.getresponse().status == 200


@pytest.mark.parametrize("connection", ["AWS_ENDPOINT_URL"], indirect=True)
def test_a_client_that_asks_for_it_gets_its_connection_closed(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/_sandbox/calls", headers={"Connection": "close"})
    connection.getresponse().read()

    assert connection.sock.recv(1) == b""


# As its own proxy


def test_a_name_of_the_endpoint_that_has_no_address_is_answered_through_the_endpoint(cloud: Any) -> None:
    """The AWS provider asks S3 Control for a bucket's tags at ACCOUNT.127.0.0.1, by the proxy of its wrapper."""
    endpoint = cloud.variables["AWS_ENDPOINT_URL"]
    bucket = "the-tags-of-a-bucket"
    cloud.client("s3").create_bucket(Bucket=bucket)
    asked = {"AccountId": "123456789012", "ResourceArn": f"arn:aws:s3:::{bucket}"}
    control = boto3.client(
        "s3control",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=cloud.variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={"http": endpoint}, retries={"total_max_attempts": 1}),
    )
    hosts = []
    control.meta.events.register("before-send.s3-control", lambda request, **_: hosts.append(urlsplit(request.url)))
    control.tag_resource(**asked, Tags=[{"Key": "Application", "Value": "EONPRO"}])
    assert control.list_tags_for_resource(**asked)["Tags"] == [{"Key": "Application", "Value": "EONPRO"}]
    assert {host.hostname for host in hosts} == {"123456789012.127.0.0.1"}
    assert cloud.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"][0]["Value"] == "EONPRO"
