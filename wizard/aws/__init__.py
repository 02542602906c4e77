"""AWS, as the wizard needs it: the edge that implements `wizard.protocols.Cloud` over botocore.

Touches AWS (or what AWS_ENDPOINT_URL names), the AWS configuration files, and nothing else.
"""

from wizard.aws.edge import Aws, connect

__all__ = ["Aws", "connect"]
