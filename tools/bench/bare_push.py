"""The minimal delivery, to compare with: one data key into Parameter Store, one POST to Vercel; nothing is checked."""

import base64
import json
import os
import urllib.request

import boto3

ALIAS = "alias/eonpro-phi-key"


def main() -> None:
    """Generate the wrapped data key, store it and push it, without any check."""
    region = os.environ["AWS_REGION"]
    kms = boto3.client("kms", region_name=region)
    data_key = kms.generate_data_key_without_plaintext(KeyId=ALIAS, KeySpec="AES_256")
    value = base64.b64encode(data_key["CiphertextBlob"]).decode()
    boto3.client("ssm", region_name=region).put_parameter(
        Name="/eonpro/production/ENCRYPTED_PHI_KEY", Value=value, Type="SecureString"
    )
    variables = {"ENCRYPTED_PHI_KEY": value, "AWS_KMS_KEY_ID": data_key["KeyId"], "AWS_REGION": region}
    body = [{"key": k, "value": v, "type": "encrypted", "target": ["production"]} for k, v in variables.items()]
    request = urllib.request.Request(
        f"{os.environ['VERCEL_API_URL']}/v10/projects/eonpro/env?upsert=true&slug=eonpro",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {os.environ['VERCEL_TOKEN']}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 201, response.status


if __name__ == "__main__":
    main()
