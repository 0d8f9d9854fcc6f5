"""What the API shows and takes; one module a subject."""
