"""Services as people write them down: TOML, the service files of Avahi, one line of a command."""
