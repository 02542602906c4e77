"""The stored data key and its versions in Parameter Store or Secrets Manager."""
