"""The server and the patients of the re-encryption tests, with search columns."""

from tests.phi.reencryption.conftest import kms, operator, patients, server

__all__ = ["kms", "operator", "patients", "server"]
