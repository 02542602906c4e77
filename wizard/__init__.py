"""The guided wizard of eonpro-kms: from answers to a proven delivery. Run it with `python -m wizard`."""
