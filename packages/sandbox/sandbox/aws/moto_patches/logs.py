"""Patches of CloudWatch Logs: the tags of a log group that was deleted.

Changes moto's log groups in this process.
"""

from moto.logs.models import logs_backends

from sandbox.arns import fields_of
from sandbox.aws.iam.principals import Principal
from sandbox.aws.protocol import AwsError, Call
from sandbox.state import ACCOUNT


def delete_tags_with_group(call: Call, caller: Principal | None) -> None:
    """AWS deletes a log group with its tags; moto keeps them for a later group of the same name.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html
    """
    backend = logs_backends[ACCOUNT][call.region]
    if group := backend.groups.get(str(call.parameters.get("logGroupName", ""))):
        backend.tagger.delete_all_tags_for_resource(group.arn)


def refuse_tags_of_missing_group(call: Call, caller: Principal | None) -> None:
    """AWS answers ResourceNotFoundException for a log group that does not exist; moto answers without tags.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html
    """
    # A log group's kind and name have a colon between them.
    _, _, name = fields_of(str(call.parameters.get("resourceArn", "")))[-1].partition("log-group:")
    name = name.removesuffix(":*")
    if name and name not in logs_backends[ACCOUNT][call.region].groups:
        raise AwsError("ResourceNotFoundException", "The specified resource does not exist.", 400)
