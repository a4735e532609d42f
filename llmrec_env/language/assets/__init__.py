"""The LE that ships with the package (for the generated world), and its build script."""
