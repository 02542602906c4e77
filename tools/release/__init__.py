"""What a release consists of: the distributions, what they depend on, their checksums and the notes of the version."""
