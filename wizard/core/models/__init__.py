"""The frozen records that clients return and steps pass on. Pure."""
