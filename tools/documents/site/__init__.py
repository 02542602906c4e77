"""The site that `make docs` makes of README.md, CHANGELOG.md and `docs/`; the pages stay readable where the code is."""
