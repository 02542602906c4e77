"""`backup`: a copy of the wrapped data key outside the account's parameters."""
