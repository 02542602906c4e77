"""`backup`: the wrapped data key outside its escrow, with all that its restoration needs."""
