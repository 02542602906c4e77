"""`rotate`, `restore` and `adopt`: the versions of key and data key."""
