"""What the wizard needs of AWS, Vercel, Pulumi and the terminal, as Protocols. Pure."""
