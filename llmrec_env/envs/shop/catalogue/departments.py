"""Vocabulary of the generated shop: departments, what they sell, options and attributes.

Products and plain instructions say values and attributes in their own words, paraphrased
instructions in others (``option_phrases.py``, ``attribute_phrases.py``); no phrase stands for two
things.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.envs.shop.catalogue import attribute_phrases as attributes
from llmrec_env.envs.shop.catalogue import option_phrases as options
from llmrec_env.envs.shop.catalogue.phrases import Phrases


@dataclass(frozen=True)
class Kind:
    """A kind of thing: how a shopper searches for it, where it stands, and the options it has."""

    query: str
    path: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Department:
    """One of the five: what it sells, its attributes, and the top of its category path."""

    name: str
    root: str
    kinds: tuple[Kind, ...]
    attributes: Phrases
    prices: tuple[float, float]


OPTIONS: dict[str, tuple[str, Phrases]] = {
    "color": ("color", options.COLORS),
    "size": ("size", options.SIZES),
    "pack": ("size", options.PACKS),
    "scent": ("scent", options.SCENTS),
    "flavor": ("flavor name", options.FLAVORS),
    "storage": ("capacity", options.STORAGE),
    "length": ("length", options.LENGTHS),
    "material": ("material", options.MATERIALS),
    "fabric": ("material", options.FABRICS),
    "bed": ("size", options.BED_SIZES),
}
"""What kinds call an option, the name it has on the page, and its values."""

DEPARTMENTS: tuple[Department, ...] = (
    Department(
        "beauty",
        "Beauty & Personal Care",
        (
            Kind("face creams", "Skin Care › Face › Creams", ("scent", "pack")),
            Kind("shampoos", "Hair Care › Shampoo", ("scent", "pack")),
            Kind("lip balms", "Skin Care › Lip Care › Balms", ("scent", "pack")),
            Kind("hair brushes", "Tools & Accessories › Hair Brushes", ("color", "material")),
            Kind("makeup bags", "Tools & Accessories › Bags & Cases", ("color",)),
            Kind("body lotions", "Skin Care › Body › Lotions", ("scent", "pack")),
            Kind("nail polishes", "Foot, Hand & Nail Care › Nail Polish", ("color", "pack")),
            Kind("bath towels", "Bath › Towels", ("color", "fabric")),
        ),
        attributes.BEAUTY,
        (4.0, 60.0),
    ),
    Department(
        "electronics",
        "Electronics",
        (
            Kind("usb cables", "Accessories › Cables", ("color", "length")),
            Kind("memory cards", "Accessories › Memory Cards", ("storage", "pack")),
            Kind("headphones", "Audio › Headphones", ("color",)),
            Kind("phone cases", "Cell Phones › Cases", ("color", "material")),
            Kind("tablets", "Computers & Tablets › Tablets", ("color", "storage")),
            Kind("bluetooth speakers", "Audio › Portable Speakers", ("color",)),
            Kind("hdmi cables", "Video › Cables", ("length", "pack")),
            Kind("security cameras", "Video Surveillance › Cameras", ("color", "pack")),
        ),
        attributes.ELECTRONICS,
        (8.0, 320.0),
    ),
    Department(
        "garden",
        "Home & Kitchen",
        (
            Kind("dining chairs", "Furniture › Dining Chairs", ("color", "material")),
            Kind("coffee tables", "Furniture › Tables", ("color", "material")),
            Kind("bed sheets", "Bedding › Sheets", ("color", "bed")),
            Kind("curtains", "Home Décor › Window Treatments", ("color", "fabric")),
            Kind("table lamps", "Lighting › Table Lamps", ("color", "material")),
            Kind("throw pillows", "Bedding › Decorative Pillows", ("color", "pack")),
            Kind("storage baskets", "Storage › Baskets", ("color", "pack")),
            Kind("scented candles", "Home Décor › Candles", ("scent", "pack")),
        ),
        attributes.GARDEN,
        (10.0, 480.0),
    ),
    Department(
        "fashion",
        "Clothing, Shoes & Jewelry",
        (
            Kind("women's dresses", "Women › Clothing › Dresses", ("color", "size")),
            Kind("men's shirts", "Men › Clothing › Shirts", ("color", "size")),
            Kind("women's jackets", "Women › Clothing › Coats", ("color", "size")),
            Kind("men's shorts", "Men › Clothing › Shorts", ("color", "size")),
            Kind("women's sweaters", "Women › Clothing › Sweaters", ("color", "size")),
            Kind("men's socks", "Men › Clothing › Socks", ("color", "size")),
            Kind("women's leggings", "Women › Clothing › Leggings", ("color", "size")),
            Kind("men's hoodies", "Men › Clothing › Hoodies", ("color", "size")),
        ),
        attributes.FASHION,
        (9.0, 140.0),
    ),
    Department(
        "grocery",
        "Grocery & Gourmet Food",
        (
            Kind("protein bars", "Snack Foods › Bars", ("flavor", "pack")),
            Kind("cookies", "Snack Foods › Cookies", ("flavor", "pack")),
            Kind("popcorn", "Snack Foods › Popcorn", ("flavor", "pack")),
            Kind("granola", "Breakfast Foods › Granola", ("flavor", "pack")),
            Kind("herbal teas", "Beverages › Tea", ("flavor", "pack")),
            Kind("nut butters", "Spreads › Nut Butters", ("flavor", "pack")),
            Kind("potato chips", "Snack Foods › Chips", ("flavor", "pack")),
            Kind("dried fruits", "Produce › Dried Fruits", ("flavor", "pack")),
        ),
        attributes.GROCERY,
        (3.0, 45.0),
    ),
)

_BRAND_LIST = """
Alderbrook Birchwell Calloway Dunmore Elmsworth Fairhaven Greystone Hollis Ivybridge Juniper
Kestrel Larkfield Marlowe Northgate Oakhurst Penrose Quillon Ravensdale Silverton Thornbury
Underhill Valemont Westbrook Yarrow Zephyra
"""
BRANDS = _BRAND_LIST.split()
_STYLE_LIST = """
Classic Essential Premium Everyday Signature Modern Heritage Studio Original Select
"""
STYLES = _STYLE_LIST.split()
OPENINGS = (
    "The {brand} {style} line brings you {query} that are {a} and {b}.",
    "Our {query} are {a}, and people tell us they are {b}.",
    "Looking for {query}? These are {a} and {b}.",
    "{brand} has made {query} since {year}; this one is {a} and {b}.",
)
BULLETS = (
    "{a}: what our customers praise first",
    "Designed to be {a}, tested to stay that way",
    "{a} as promised, or your money back",
    "You asked for {a}, so we made it",
)
REMARKS = (
    "Ships in plain packaging",
    "A gift that is used, not stored",
    "Backed by a {year} day guarantee",
    "Model number {year}",
    "Questions are answered within a day",
)
