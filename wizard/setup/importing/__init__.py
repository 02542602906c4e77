"""Resources that were created manually become the stack's."""
