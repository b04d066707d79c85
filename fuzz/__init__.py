"""A coverage-guided search for files that break the readers: ``make fuzz``."""
