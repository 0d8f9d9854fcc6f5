"""The rules there are, one module a section: `SECTION` (its key and title) and `RULES`."""
