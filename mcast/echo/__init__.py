"""The echo responder and the ping client. Stands on mcast.sockets."""
