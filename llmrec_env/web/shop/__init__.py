"""The shop as pages: a person shops in the environment that agents shop in, and replays."""
