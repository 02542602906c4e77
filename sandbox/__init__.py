"""A cloud on this machine: emulators of AWS and Vercel, and the Pulumi engine's plug-ins for them.

It may touch the sandbox's own directory (`.sandbox/`), loopback ports and the project's `.cache/`, and nothing else.
"""
