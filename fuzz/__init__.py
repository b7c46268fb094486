"""Fuzzing: targets for everything that reads what a stranger wrote. See README.md."""
