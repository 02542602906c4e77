"""Patches of the account: which access keys are valid, and which regions are enabled.

Reads moto's IAM and STS in this process.
"""

import boto3

from sandbox.aws.iam.principals import Principal, authenticate
from sandbox.aws.protocol import AwsError, Call, Response, json_response
from sandbox.state import ACCOUNT

_UNSIGNED = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")

# Disabled in every new account.
# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
OPT_IN_REGIONS = frozenset(
    [
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-south-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-south-1",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "me-south-1",
        "mx-central-1",
    ]
)
_REGIONS = tuple(sorted({*boto3.session.Session().get_available_regions("kms"), *OPT_IN_REGIONS}))
_PAGE = 50


def authenticate_signed_call(call: Call) -> Principal | None:
    """AWS refuses an access key that does not exist, is inactive, expired, or comes without its session token.

    Moto accepts any. Signatures are not checked. None for an unsigned call.
    https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
    """
    if not call.access_key_id or call.operation in _UNSIGNED:
        return None
    return authenticate(call)


def refuse_disabled_region(call: Call, caller: Principal | None) -> None:
    """AWS accepts an account's credentials only in the regions that the account has enabled.

    Moto answers in every region.
    https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
    """
    if caller is None or region_status(call.region) != "DISABLED":
        return
    invalid = "The security token included in the request is invalid."
    if call.service in ("sts", "iam"):
        raise AwsError("InvalidClientTokenId", invalid, 403)
    if call.service == "s3":
        raise AwsError("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403)
    raise AwsError("UnrecognizedClientException", invalid, 400)


def region_status(region: str) -> str:
    """A region's opt-in status; a region that does not exist counts as disabled."""
    return "ENABLED_BY_DEFAULT" if region in _REGIONS and region not in OPT_IN_REGIONS else "DISABLED"


def list_regions(call: Call, caller: Principal | None) -> Response:
    """AWS lists the account's regions with their opt-in status. Moto does not.

    https://docs.aws.amazon.com/accounts/latest/reference/API_ListRegions.html
    """
    _own_account_only(call)
    statuses = call.parameters.get("RegionOptStatusContains") or ()
    regions = [
        {"RegionName": region, "RegionOptStatus": region_status(region)}
        for region in _REGIONS
        if not statuses or region_status(region) in statuses
    ]
    token = str(call.parameters.get("NextToken") or "0")
    size = int(call.parameters.get("MaxResults") or _PAGE)
    if not token.isdigit() or not 1 <= size <= _PAGE:
        raise AwsError("ValidationException", "NextToken or MaxResults is not valid.")
    start = int(token)
    more = {"NextToken": str(start + size)} if start + size < len(regions) else {}
    return json_response({"Regions": regions[start : start + size], **more}, content_type="application/json")


def get_region_opt_status(call: Call, caller: Principal | None) -> Response:
    """AWS returns one region's opt-in status. Moto does not.

    https://docs.aws.amazon.com/accounts/latest/reference/API_GetRegionOptStatus.html
    """
    _own_account_only(call)
    region = str(call.parameters.get("RegionName", ""))
    if region not in _REGIONS:
        raise AwsError("ValidationException", f"The Region Name provided is not valid: {region}")
    status = {"RegionName": region, "RegionOptStatus": region_status(region)}
    return json_response(status, content_type="application/json")


def _own_account_only(call: Call) -> None:
    """Only an organization's management account may ask for another account."""
    if "AccountId" in call.parameters:
        raise AwsError("AccessDeniedException", f"{ACCOUNT} may only ask about itself, without an AccountId.", 403)
