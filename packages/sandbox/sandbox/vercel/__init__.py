"""A stand-in for Vercel's REST API.

Touches this process's memory only.
"""

from sandbox.vercel.app import create_app

__all__ = ["create_app"]
