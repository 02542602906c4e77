"""The site that `make docs` makes of the pages at the root and in `docs/`, which stay readable where the code is."""
