"""Patches of SNS: the number of a topic's subscribers.

Changes moto's topics in this process.
"""

from moto.sns.models import sns_backends

from sandbox.aws.iam.principals import Principal
from sandbox.aws.protocol import Call
from sandbox.state import ACCOUNT


def count_subscriptions(call: Call, caller: Principal | None) -> None:
    """AWS returns how many confirmed subscriptions a topic has; moto always returns 0.

    Every subscription counts as confirmed here: nobody in a sandbox opens the link in the e-mail.
    https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
    """
    backend = sns_backends[ACCOUNT][call.region]
    arn = str(call.parameters.get("TopicArn"))
    if topic := backend.topics.get(arn):
        topic.subscriptions_confimed = sum(  # moto's own spelling
            subscription.topic == topic for subscription in backend.subscriptions.values()
        )
