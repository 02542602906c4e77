"""`rotate`, `restore`, `adopt`: the KMS key's material, the wrapping of the data key, and its escrowed versions."""
