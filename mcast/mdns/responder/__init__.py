"""The responder half of a link: claims names, announces and answers. Imports nothing of the querier."""
