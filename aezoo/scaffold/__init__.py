"""`aezoo new-plugin`: a complete package with one working component, from templates."""
