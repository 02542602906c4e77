"""SNS: topics, their policies and subscriptions; the id of each is an ARN, a policy's that of its topic.

Touches SNS at the endpoint of the Region that is passed to it.
"""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.arns import parse as parse_arn
from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing, retry_unknown_principals
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = ("NotFound", "NotFoundException")
# SNS has one call for each setting, with a text value.
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
_PROTOCOLS = ("application", "firehose", "http", "lambda", "sqs")
_NO_FEEDBACK = dict.fromkeys(
    (f"{protocol}SuccessFeedbackSampleRate" for protocol in ("Application", "Firehose", "HTTP", "Lambda", "SQS")), "0"
)
_FEEDBACK = frozenset(
    f"{protocol}{setting}"
    for protocol in _PROTOCOLS
    for setting in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
)


class Topic(base.ResourceType):
    token = "aws:sns/topic:Topic"
    display_name = "SNS Topic"
    not_found = _NOT_FOUND
    force_new = frozenset({"fifoTopic", "name", "namePrefix"})
    computed = frozenset({"policy", "signatureVersion", "tracingConfig"})
    defaults = {"contentBasedDeduplication": False, "fifoTopic": False}
    documents = frozenset({"deliveryPolicy", "policy"})
    unsupported = _FEEDBACK | {
        "archivePolicy",
        "fifoThroughputScope",
        "maximumMessageSize",
    }
    name_input = "name"
    name_limit = 256

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the topic; SNS returns the ARN of an existing topic of this name."""
        response = region.sns.create_topic(Name=inputs["name"], Tags=base.tag_list(inputs.get("tags")))
        return str(response["TopicArn"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """One call for each attribute, as the real provider makes; it sets the five rates of feedback, too."""
        self._set(region, resource_id, {**_texts(_TOPIC, inputs, _TOPIC.keys()), **_NO_FEEDBACK})

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        attributes = region.sns.get_topic_attributes(TopicArn=resource_id)["Attributes"]
        current = {name: attributes.get(aws) for name, aws in _TOPIC.items()}
        signature = current["signatureVersion"]
        return {
            **current,
            "signatureVersion": None if signature is None else int(signature),
            "arn": resource_id,
            "name": parse_arn(resource_id).resource,
            "owner": attributes.get("Owner"),
            "tags": base.tag_map(region.sns.list_tags_for_resource(ResourceArn=resource_id).get("Tags")),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """One call for each setting; "" removes it."""
        self._set(region, resource_id, _texts(_TOPIC, new, changed & _TOPIC.keys(), absent=""))
        if "tags" in changed:
            base.change_tags(old, new, region.sns.untag_resource, region.sns.tag_resource, ResourceArn=resource_id)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.sns.delete_topic(TopicArn=resource_id)

    @staticmethod
    def _set(region: Region, topic: str, attributes: dict[str, str]) -> None:
        for name, text in attributes.items():
            if name == "Policy":
                _set_policy(region, topic, text)
            else:
                region.sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=text)


class TopicPolicy(base.ResourceType):
    token = "aws:sns/topicPolicy:TopicPolicy"
    display_name = "SNS Topic Policy"
    not_found = _NOT_FOUND
    force_new = frozenset({"arn"})
    documents = frozenset({"policy"})

    def put(self, region: Region, inputs: Properties) -> None:
        _set_policy(region, inputs["arn"], inputs["policy"])

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        return str(state["arn"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        current = region.sns.get_topic_attributes(TopicArn=resource_id)["Attributes"]
        return {"arn": resource_id, "policy": current.get("Policy"), "owner": current.get("Owner")}

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """A topic always has a policy: restore the default one, for the owner only."""
        _set_policy(region, resource_id, _owners_policy(region, resource_id))


class TopicSubscription(base.ResourceType):
    """A subscriber of a topic; one by e-mail is pending until its recipient confirms it."""

    token = "aws:sns/topicSubscription:TopicSubscription"
    display_name = "SNS Topic Subscription"
    not_found = _NOT_FOUND
    force_new = frozenset({"endpoint", "protocol", "topic"})
    computed = frozenset({"filterPolicyScope"})
    defaults = {"confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False, "rawMessageDelivery": False}
    documents = frozenset({"deliveryPolicy", "filterPolicy", "redrivePolicy"})
    write_only = frozenset({"confirmationTimeoutInMinutes", "endpointAutoConfirms"})
    unsupported = frozenset({"replayPolicy"})

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Invalid e-mail addresses."""
        if inputs.get("protocol") in ("email", "email-json") and "@" not in inputs.get("endpoint", "@"):
            yield "endpoint", f'expected an e-mail address, got "{inputs["endpoint"]}"'

    def create(self, region: Region, inputs: Properties) -> str:
        """Subscribe; SNS returns the ARN before the subscription is confirmed."""
        response = region.sns.subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes=_texts(_SUBSCRIPTION, inputs, _SUBSCRIPTION.keys()),
            ReturnSubscriptionArn=True,
        )
        return str(response["SubscriptionArn"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        current = region.sns.get_subscription_attributes(SubscriptionArn=resource_id)["Attributes"]
        return {
            **{name: current.get(aws) for name, aws in _SUBSCRIPTION.items()},
            "arn": resource_id,
            "endpoint": current.get("Endpoint"),
            "ownerId": current.get("Owner"),
            "pendingConfirmation": current.get("PendingConfirmation") == "true",
            "confirmationWasAuthenticated": current.get("ConfirmationWasAuthenticated") == "true",
            "protocol": current.get("Protocol"),
            "rawMessageDelivery": current.get("RawMessageDelivery") == "true",
            "topic": current.get("TopicArn"),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """One call for each setting."""
        for name, text in _texts(_SUBSCRIPTION, new, changed & _SUBSCRIPTION.keys(), absent="").items():
            region.sns.set_subscription_attributes(SubscriptionArn=resource_id, AttributeName=name, AttributeValue=text)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.sns.unsubscribe(SubscriptionArn=resource_id)
        none_if_missing(lambda: region.sns.get_subscription_attributes(SubscriptionArn=resource_id), *_NOT_FOUND)


def _set_policy(region: Region, topic: str, policy: str) -> None:
    retry_unknown_principals(
        lambda: region.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    )


def _owners_policy(region: Region, topic: str) -> str:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html: the policy of a new topic.
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
    return base.without_none(**{spelling[name]: _text(inputs.get(name, absent)) for name in sorted(names)})


def _text(value: Any) -> str | None:
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


RESOURCE_TYPES = (Topic, TopicPolicy, TopicSubscription)
