"""The data sources that programs here call.

Touches the endpoint of the Region that is passed to it, reading only.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import ProviderError
from sandbox.pulumi_plugins.provider.resource_type import tag_map
from sandbox.pulumi_plugins.provider.values import Properties

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-supported-regions.html, the accounts
# that write logs for trails whose bucket policies still name accounts.
_CLOUDTRAIL_ACCOUNTS = {
    "us-east-1": "086441151436",
    "us-east-2": "475085895292",
    "us-west-1": "388731089494",
    "us-west-2": "113285607260",
    "eu-west-1": "859597730677",
    "eu-west-2": "282025262664",
    "eu-central-1": "035351147821",
    "ap-southeast-1": "903692715234",
    "ap-southeast-2": "284668455005",
    "ap-northeast-1": "216624486486",
    "ca-central-1": "819402241893",
    "sa-east-1": "814480443879",
}
_SUFFIXES = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}


def caller_identity(region: Region, arguments: Properties) -> Properties:
    """Whose credentials the provider uses."""
    identity = region.endpoint.identity
    account = identity["Account"]
    return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}


def current_region(region: Region, arguments: Properties) -> Properties:
    """The region the provider works in."""
    name = arguments.get("name") or region.name
    return {
        "id": name,
        "name": name,
        "region": name,
        "endpoint": f"ec2.{name}.{_SUFFIXES[region.partition]}",
        "description": name,
    }


def partition(region: Region, arguments: Properties) -> Properties:
    """The partition the provider works in."""
    suffix = _SUFFIXES[region.partition]
    return {
        "id": region.partition,
        "partition": region.partition,
        "dnsSuffix": suffix,
        "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
    }


def open_id_connect_provider(region: Region, arguments: Properties) -> Properties:
    """An OIDC provider of the account, by ARN or URL; raises ProviderError where there is none."""
    named_url = str(arguments.get("url") or "").removeprefix("https://")
    listed = region.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    for entry in listed:
        arn = entry["Arn"]
        if arguments.get("arn") not in (None, arn):
            continue
        current = region.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        url = current["Url"].removeprefix("https://")
        if named_url in ("", url):
            return {
                "id": arn,
                "arn": arn,
                "url": url,
                "clientIdLists": sorted(current["ClientIDList"]),
                "thumbprintLists": current["ThumbprintList"],
                "tags": tag_map(current.get("Tags")),
            }
    requested = named_url or arguments.get("arn")
    raise ProviderError(f"reading IAM OIDC Provider ({requested}): couldn't find resource")


def cloudtrail_account(region: Region, arguments: Properties) -> Properties:
    """The account that CloudTrail writes from in a region; raises ProviderError for a region not listed."""
    account = _CLOUDTRAIL_ACCOUNTS.get(region.name)
    if account is None:
        raise ProviderError(f"unknown region ({region.name}) for the CloudTrail service account")
    return {
        "id": account,
        "region": region.name,
        "arn": f"arn:{region.partition}:iam::{account}:root",
    }


FUNCTIONS: dict[str, Callable[[Region, Properties], Properties]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": caller_identity,
    "aws:index/getRegion:getRegion": current_region,
    "aws:index/getPartition:getPartition": partition,
    "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": open_id_connect_provider,
    "aws:cloudtrail/getServiceAccount:getServiceAccount": cloudtrail_account,
}
