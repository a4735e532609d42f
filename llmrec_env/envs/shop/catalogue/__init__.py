"""The shop's products: stored in columns, generated, or read from WebShop's files."""

from llmrec_env.envs.shop.catalogue.builder import CatalogueBuilder
from llmrec_env.envs.shop.catalogue.generated import generate_catalogue, generate_products
from llmrec_env.envs.shop.catalogue.products import HumanInstruction, Product, ProductCatalogue
from llmrec_env.envs.shop.catalogue.webshop_files import find_webshop_files, read_webshop

__all__ = [
    "CatalogueBuilder",
    "HumanInstruction",
    "Product",
    "ProductCatalogue",
    "find_webshop_files",
    "generate_catalogue",
    "generate_products",
    "read_webshop",
]
