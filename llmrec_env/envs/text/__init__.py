"""Texts, for every environment that has any: finding them by words, and spaces of them."""
