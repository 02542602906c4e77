"""Bytes and files under the data key: the binary record, and the stream of chunks (docs/formats.md)."""
