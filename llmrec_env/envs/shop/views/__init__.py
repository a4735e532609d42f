"""Views of the shop's pages: text, structured and feature observations, and rendering."""
