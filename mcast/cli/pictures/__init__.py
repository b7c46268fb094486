"""Pictures of what the commands have seen: SVG and HTML, each one file that needs nothing else."""
