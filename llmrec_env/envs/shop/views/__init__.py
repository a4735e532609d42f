"""Views of a page: what agents and people see of it, as text, structure or features."""
