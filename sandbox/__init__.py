"""A whole cloud on this machine: an AWS emulator, a Vercel stand-in, and what the Pulumi engine needs beside it.

It may touch the sandbox's own directory (`.sandbox/`), loopback ports and the project's `.cache/`, and nothing else.
"""
