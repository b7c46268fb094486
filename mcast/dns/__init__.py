"""DNS data: names, records and messages. Imports neither Twisted nor sockets nor a clock."""
