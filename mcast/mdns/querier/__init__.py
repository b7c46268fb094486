"""The querier half of a link: asks, and keeps the answers right. Imports nothing of the responder."""
