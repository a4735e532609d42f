"""``ShopProtocol``: what a result of the shop means, by name and hash; made, saved, loaded."""
