"""A network that attacks, floods and breaks: see README.md."""
