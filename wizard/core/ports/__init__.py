"""Protocols of the wizard's clients of AWS, Vercel, Pulumi and the terminal. Pure."""
