"""A cloud on this machine: emulators of AWS and Vercel, and the Pulumi engine's plug-ins for them.

Touches the sandbox's own directory (`.sandbox/`), loopback ports and the project's `.cache/`.
"""

from components import installation

# Before the first module that a Python which is too old cannot even read.
installation.require_version("sandbox")
