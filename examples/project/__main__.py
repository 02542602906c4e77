"""The stack's resources are those of the installed package; Pulumi.<stack>.yaml in this folder has the settings."""

import eonpro_kms.program  # noqa: F401
