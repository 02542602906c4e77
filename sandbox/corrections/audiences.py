"""Corrections about OpenID Connect providers: their audiences can be changed.

It may write the audiences to the emulator's IAM in this process.
"""

from __future__ import annotations

from typing import Any

from moto.iam.models import iam_backends

from sandbox.principals import Principal
from sandbox.state import ACCOUNT
from sandbox.wire import Answer, AwsError, Call, xml_answer

LIMIT = 100


def an_audience_is_added(call: Call, who: Principal | None) -> Answer:
    """AWS adds a client id to a provider, and takes one that is there already; the emulator has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
    """
    provider, audience = _provider(call), str(call.parameters.get("ClientID", ""))
    if audience not in provider.client_id_list:
        if len(provider.client_id_list) >= LIMIT:
            what = f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {LIMIT}"
            raise AwsError("LimitExceeded", what, 409)
        provider.client_id_list = [*provider.client_id_list, audience]
    return xml_answer(call, "")


def an_audience_is_removed(call: Call, who: Principal | None) -> Answer:
    """AWS takes a client id off a provider, and is content where there is none; the emulator has no such call.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveClientIDFromOpenIDConnectProvider.html
    """
    provider, audience = _provider(call), str(call.parameters.get("ClientID", ""))
    provider.client_id_list = [one for one in provider.client_id_list if one != audience]
    return xml_answer(call, "")


def _provider(call: Call) -> Any:
    arn = str(call.parameters.get("OpenIDConnectProviderArn", ""))
    found = iam_backends[ACCOUNT]["aws"].open_id_providers.get(arn)
    if found is None:
        raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
    return found
