"""The live view as a web page: a `twisted.web` resource over the model of `mcast.live`."""
