"""The commands of `twist mcast`: their options and their services."""
