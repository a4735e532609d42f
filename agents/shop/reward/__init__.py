"""Language reward: a language model, trained on purchases, as the shop's reward rule."""
