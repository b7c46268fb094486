"""The echo responder, which answers what is sent to a group, and the client that finds responders."""
