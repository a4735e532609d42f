"""The shop: buy what an instruction asks for (WebShop), as a Gymnasium environment."""
