"""AWS, as the wizard needs it: the edge that implements `wizard.core.ports.run.AwsClient` over botocore.

Touches AWS (or what AWS_ENDPOINT_URL names), the AWS configuration files, and nothing else.
"""

from wizard.aws.client import Aws, connect

__all__ = ["Aws", "connect"]
