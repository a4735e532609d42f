"""Language reward: a language model, trained on purchases, that gives the shop's reward."""
