"""`cost`: what the set-up costs a month."""
