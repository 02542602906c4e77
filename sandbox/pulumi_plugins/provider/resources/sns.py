"""SNS: topics, their policies and subscriptions; the id of each is an ARN, a policy's that of its topic.

May touch SNS at the endpoint of the region it is handed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import found, once_principals_are_seen
from sandbox.pulumi_plugins.provider.resource_type import Kind, present, tag_changes, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

_GONE = ("NotFound", "NotFoundException")
# SNS has one call a setting, and each as text.
_TOPIC = {
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}
_SUBSCRIPTION = {
    "deliveryPolicy": "DeliveryPolicy",
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
    "redrivePolicy": "RedrivePolicy",
    "subscriptionRoleArn": "SubscriptionRoleArn",
}
_FEEDBACK = frozenset(
    f"{protocol}{what}"
    for protocol in ("application", "firehose", "http", "lambda", "sqs")
    for what in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
)


class Topic(Kind):
    """A standard topic."""

    token = "aws:sns/topic:Topic"
    what = "SNS Topic"
    force_new = frozenset({"fifoTopic", "name", "namePrefix"})
    computed = frozenset({"deliveryPolicy", "policy", "signatureVersion", "tracingConfig"})
    documents = frozenset({"deliveryPolicy", "policy"})
    unsupported = _FEEDBACK | {
        "archivePolicy",
        "contentBasedDeduplication",
        "fifoThroughputScope",
        "fifoTopic",
        "maximumMessageSize",
    }
    name_input = "name"
    name_limit = 256

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the topic, encrypted from the start; SNS answers an existing topic's ARN to its name."""
        attributes = _texts(_TOPIC, inputs, _TOPIC.keys() - {"policy"})
        answer = region.sns.create_topic(Name=inputs["name"], Attributes=attributes, Tags=tag_list(inputs.get("tags")))
        return str(answer["TopicArn"])

    def complete(self, region: Region, ident: str, inputs: Properties) -> None:
        """The policy is put once the topic, and whom it names, is there."""
        if inputs.get("policy"):
            _set_policy(region, ident, inputs["policy"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The topic's settings and tags."""
        answer = found(lambda: region.sns.get_topic_attributes(TopicArn=ident), *_GONE)
        if answer is None:
            return None
        told = {name: answer["Attributes"].get(aws) for name, aws in _TOPIC.items()}
        signature = told["signatureVersion"]
        return {
            **told,
            "signatureVersion": None if signature is None else int(signature),
            "arn": ident,
            "name": ident.rsplit(":", 1)[-1],
            "owner": answer["Attributes"].get("Owner"),
            "tags": tag_map(region.sns.list_tags_for_resource(ResourceArn=ident).get("Tags")),
        }

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """One call a setting; "" takes one off."""
        for name, text in _texts(_TOPIC, new, changed & _TOPIC.keys(), absent="").items():
            if name == "Policy":
                _set_policy(region, ident, text)
            else:
                region.sns.set_topic_attributes(TopicArn=ident, AttributeName=name, AttributeValue=text)
        if "tags" in changed:
            gone, put = tag_changes(old, new)
            if gone:
                region.sns.untag_resource(ResourceArn=ident, TagKeys=gone)
            if put:
                region.sns.tag_resource(ResourceArn=ident, Tags=tag_list(put))

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the topic with its subscriptions."""
        found(lambda: region.sns.delete_topic(TopicArn=ident), *_GONE)


class TopicPolicy(Kind):
    """Who may publish to a topic and who may subscribe."""

    token = "aws:sns/topicPolicy:TopicPolicy"
    what = "SNS Topic Policy"
    force_new = frozenset({"arn"})
    documents = frozenset({"policy"})

    def create(self, region: Region, inputs: Properties) -> str:
        """Put the policy in place of the one that SNS gave the topic."""
        _set_policy(region, inputs["arn"], inputs["policy"])
        return str(inputs["arn"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The topic's policy."""
        answer = found(lambda: region.sns.get_topic_attributes(TopicArn=ident), *_GONE)
        if answer is None:
            return None
        told = answer["Attributes"]
        return {"arn": ident, "policy": told.get("Policy"), "owner": told.get("Owner")}

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Put it again."""
        _set_policy(region, ident, new["policy"])

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """A topic is never without a policy: the owner alone may use it again."""
        found(lambda: _set_policy(region, ident, _owners_policy(region, ident)), *_GONE)


class TopicSubscription(Kind):
    """Where a topic's messages go; those by e-mail wait until somebody follows the link in the first."""

    token = "aws:sns/topicSubscription:TopicSubscription"
    what = "SNS Topic Subscription"
    force_new = frozenset({"endpoint", "protocol", "topic"})
    computed = frozenset({"filterPolicyScope"})
    defaults = {"confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False, "rawMessageDelivery": False}
    documents = frozenset({"deliveryPolicy", "filterPolicy", "redrivePolicy"})
    write_only = frozenset({"confirmationTimeoutInMinutes", "endpointAutoConfirms"})
    unsupported = frozenset({"replayPolicy"})

    def problems(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """An address without its person reaches nobody."""
        if inputs.get("protocol") in ("email", "email-json") and "@" not in inputs.get("endpoint", "@"):
            yield "endpoint", f'expected an e-mail address, got "{inputs["endpoint"]}"'

    def create(self, region: Region, inputs: Properties) -> str:
        """Subscribe; the ARN is told before the subscription is confirmed."""
        answer = region.sns.subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes=_texts(_SUBSCRIPTION, inputs, _SUBSCRIPTION.keys()),
            ReturnSubscriptionArn=True,
        )
        return str(answer["SubscriptionArn"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The subscription and whether it is confirmed."""
        answer = found(lambda: region.sns.get_subscription_attributes(SubscriptionArn=ident), *_GONE)
        if answer is None:
            return None
        told = answer["Attributes"]
        return {
            **{name: told.get(aws) for name, aws in _SUBSCRIPTION.items()},
            "arn": ident,
            "endpoint": told.get("Endpoint"),
            "ownerId": told.get("Owner"),
            "pendingConfirmation": told.get("PendingConfirmation") == "true",
            "confirmationWasAuthenticated": told.get("ConfirmationWasAuthenticated") == "true",
            "protocol": told.get("Protocol"),
            "rawMessageDelivery": told.get("RawMessageDelivery") == "true",
            "topic": told.get("TopicArn"),
        }

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """One call a setting."""
        for name, text in _texts(_SUBSCRIPTION, new, changed & _SUBSCRIPTION.keys(), absent="").items():
            region.sns.set_subscription_attributes(SubscriptionArn=ident, AttributeName=name, AttributeValue=text)

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Unsubscribe."""
        found(lambda: region.sns.unsubscribe(SubscriptionArn=ident), *_GONE)


def _set_policy(region: Region, topic: str, policy: str) -> None:
    once_principals_are_seen(
        lambda: region.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    )


def _owners_policy(region: Region, topic: str) -> str:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html: what a new topic is given.
    actions = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic",
               "Subscribe", "ListSubscriptionsByTopic", "Publish")  # fmt: skip
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in actions],
        "Resource": topic,
        "Condition": {"StringEquals": {"AWS:SourceOwner": region.account}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def _texts(spelling: dict[str, str], inputs: Properties, names: Any, *, absent: str | None = None) -> dict[str, str]:
    given = {spelling[name]: _text(inputs.get(name, absent)) for name in sorted(names)}
    return present(**given)


def _text(value: Any) -> str | None:
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


KINDS = (Topic, TopicPolicy, TopicSubscription)
