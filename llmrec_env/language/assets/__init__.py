"""The LE of the generated world that ships with the package, and the script that makes it."""
