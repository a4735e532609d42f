"""Pages for people in a browser: a shop to shop in, and the seat of the recommender's user.

Plain forms and one style sheet, no script. This room needs the extra ``serve``.
"""
