"""Who answers: the user simulators."""
