"""Options that hold several names."""


def listed(text: str) -> tuple[str, ...]:
    """The names in a text that joins them by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
