"""Services and records as people write them: TOML, the service files of Avahi, one line of a command."""
