"""Set-up of a bare machine: installs Python packages, the Pulumi engine and the AWS CLI inside the project.

It may touch `.venv/`, `.cache/` and, through the sandbox, `.sandbox/`; it imports the standard library only.
"""
