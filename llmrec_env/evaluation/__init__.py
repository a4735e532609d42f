"""Who is judged, and how: ranking of logged items, returns in the environments."""
