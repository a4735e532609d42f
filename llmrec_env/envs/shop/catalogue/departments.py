"""Vocabulary of the generated shop: departments, what they sell, options and attributes.

Each option value and each attribute is followed by other words for it. Products and plain
instructions use the first form only, paraphrased instructions only the others, and no phrase stands
for two things.
"""

from __future__ import annotations

from dataclasses import dataclass

Phrases = dict[str, tuple[str, ...]]
"""A phrase as the products have it, and other words for it."""

COLORS: Phrases = {
    "black": ("as dark as coal", "the shade of a moonless night"),
    "white": ("like fresh snow", "the shade of plain paper"),
    "red": ("like a ripe tomato", "the shade of fire engines"),
    "navy blue": ("like a sailor's uniform", "the shade of the evening sea"),
    "green": ("like spring grass", "the shade of clover"),
    "yellow": ("like a lemon peel", "the shade of sunflowers"),
    "pink": ("like a flamingo", "the shade of bubble gum"),
    "purple": ("like an aubergine", "the shade of violets"),
    "brown": ("like roasted chestnuts", "the shade of walnut wood"),
    "grey": ("like a rain cloud", "the shade of wet slate"),
    "orange": ("like a pumpkin", "the shade of carrots"),
    "beige": ("like desert sand", "the shade of oatmeal"),
}
SIZES: Phrases = {
    "x-small": ("the tiniest fit on offer", "for someone very petite"),
    "small": ("for a slight build", "a fit below the middle one"),
    "medium": ("the middle fit", "for an average build"),
    "large": ("for a big build", "a fit above the middle one"),
    "x-large": ("for a very big build", "two fits above the middle one"),
    "xx-large": ("the roomiest fit on offer", "for a giant of a man"),
}
PACKS: Phrases = {
    "1 count": ("just a single one", "nothing but one piece"),
    "pack of 2": ("a pair of them", "two in one order"),
    "pack of 3": ("three in one order", "a trio of them"),
    "pack of 6": ("half a dozen", "six in one order"),
    "pack of 12": ("a full dozen", "twelve in one order"),
}
SCENTS: Phrases = {
    "lavender": ("smelling of Provence fields", "with the smell of a linen cupboard herb"),
    "vanilla": ("smelling of custard", "with the smell of an ice cream bean"),
    "rose": ("smelling of a thorny garden flower", "with the smell of a valentine bouquet"),
    "citrus": ("smelling of squeezed lemons", "with the smell of an orange grove"),
    "sandalwood": ("smelling of temple incense", "with the smell of a warm eastern timber"),
    "unscented": ("without any smell", "for a nose that wants nothing"),
}
FLAVORS: Phrases = {
    "chocolate": ("tasting of cocoa", "with the taste of brownies"),
    "strawberry": ("tasting of red summer berries", "with the taste of Wimbledon fruit"),
    "salted caramel": ("tasting of burnt sugar with sea flakes", "with the taste of salty toffee"),
    "peanut butter": ("tasting of ground groundnuts", "with the taste of a nutty spread"),
    "honey": ("tasting of what bees make", "with the taste of a hive"),
    "sea salt": ("tasting of ocean crystals", "with nothing but a briny taste"),
    "barbecue": ("tasting of a smoky grill", "with the taste of summer ribs"),
    "cinnamon": ("tasting of a Christmas bark spice", "with the taste of spiced buns"),
}
STORAGE: Phrases = {
    "32gb": ("with thirty-two gigs of room", "two to the fifth gigabytes"),
    "64gb": ("with sixty-four gigs of room", "two to the sixth gigabytes"),
    "128gb": ("with a hundred and twenty-eight gigs of room", "two to the seventh gigabytes"),
    "256gb": ("with a quarter of a terabyte", "two to the eighth gigabytes"),
    "512gb": ("with half a terabyte", "two to the ninth gigabytes"),
}
LENGTHS: Phrases = {
    "3 feet": ("about ninety centimetres long", "one yard in length"),
    "6 feet": ("as long as a tall man", "two yards in length"),
    "10 feet": ("some three metres long", "as long as a small car"),
    "15 feet": ("about four and a half metres long", "five yards in length"),
}
MATERIALS: Phrases = {
    "solid oak": ("made of acorn tree timber", "from the tree of acorns"),
    "bamboo": ("made of what pandas eat", "from a giant grass"),
    "stainless steel": ("made of metal that never rusts", "from kitchen sink metal"),
    "ceramic": ("made of fired clay", "from a potter's kiln"),
}
FABRICS: Phrases = {
    "cotton": ("made of a soft white plant fibre", "from what jeans are woven of"),
    "velvet": ("made of a plush pile cloth", "from theatre curtain cloth"),
    "linen": ("made of flax", "from crisp summer cloth"),
    "silk": ("made of what caterpillars spin", "from parachute cloth of old"),
}
BED_SIZES: Phrases = {
    "twin": ("for one narrow bed", "for a child's bed"),
    "full": ("for a wider bed of one", "for a double bed"),
    "queen": ("for a couple's usual bed", "sixty inches across"),
    "king": ("for the widest bed of all", "seventy-six inches across"),
}


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
    "color": ("color", COLORS),
    "size": ("size", SIZES),
    "pack": ("size", PACKS),
    "scent": ("scent", SCENTS),
    "flavor": ("flavor name", FLAVORS),
    "storage": ("capacity", STORAGE),
    "length": ("length", LENGTHS),
    "material": ("material", MATERIALS),
    "fabric": ("material", FABRICS),
    "bed": ("size", BED_SIZES),
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
        {
            "cruelty free": ("never tested on rabbits", "made without hurting any animal"),
            "long lasting": ("good from morning to midnight", "that stays put for hours"),
            "sulfate free": ("without harsh foaming salts", "without lauryl chemicals"),
            "natural ingredients": ("made of what grows outdoors", "without anything synthetic"),
            "sensitive skin": ("kind to people who redden easily", "mild enough for a baby"),
            "fast absorbing": ("gone into the pores in seconds", "that leaves no film behind"),
            "travel size": ("little enough for hand luggage", "fit for a carry-on pouch"),
            "dermatologist tested": ("tried by doctors first", "approved in a clinic"),
            "anti aging": ("against wrinkles", "to look younger"),
            "paraben free": ("without common preservatives", "free of methyl esters"),
        },
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
        {
            "fast charging": ("full again within the hour", "quick to fill up with power"),
            "water resistant": ("unharmed by a splash", "that survives the rain"),
            "noise cancelling": ("that shuts the world out", "against engine hum"),
            "high speed": ("that moves data in a flash", "without any lag"),
            "gold plated": ("with precious metal contacts", "with connectors that do not tarnish"),
            "easy to install": ("set up in two minutes", "that needs no electrician"),
            "hands free": ("used without touching it", "that obeys by voice alone"),
            "heavy duty": ("that takes a beating", "built for rough work"),
            "plug and play": ("ready without drivers", "that works once it is in the socket"),
            "wireless": ("without any cord", "connected through the air"),
        },
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
        {
            "machine washable": ("fine on a forty degree cycle", "that needs no dry cleaner"),
            "easy assemble": ("put together in minutes", "that takes no toolbox"),
            "space saving": ("for a tiny flat", "that folds out of the way"),
            "eco friendly": ("gentle on the planet", "good for the climate"),
            "living room": ("to stand beside the sofa", "for where the family watches films"),
            "non slip": ("that stays where it stands", "safe on a wet floor"),
            "hand crafted": ("made one by one by artisans", "not from a factory line"),
            "fade resistant": ("that keeps its hue in the sun", "unbleached by sunlight"),
            "mid century": ("in the fashion of the fifties", "as in a Mad Men set"),
            "lead free": ("without toxic heavy metals", "safe for toddlers to chew"),
        },
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
        {
            "machine wash": ("that goes in with the laundry", "without any hand scrubbing"),
            "slim fit": ("cut close to the body", "with a narrow silhouette"),
            "long sleeve": ("covering the arms", "down to the wrists"),
            "elastic waist": ("that stretches around the belly", "without a belt"),
            "quick drying": ("dry an hour after the wash", "that sheds sweat at once"),
            "stretch fabric": ("that gives when you bend", "of cloth with spandex"),
            "daily wear": ("for every day of the week", "not just for best"),
            "imported zipper": ("closed by a foreign fastener", "with teeth from abroad"),
            "soft lining": ("smooth on the inside", "that does not itch"),
            "high waist": ("that sits above the navel", "rising over the hips"),
        },
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
        {
            "gluten free": ("safe for coeliacs", "without wheat protein"),
            "low sugar": ("hardly sweetened", "fine for a diabetic"),
            "non gmo": ("from unmodified seeds", "without tinkered genes"),
            "dairy free": ("without any milk", "for the lactose intolerant"),
            "plant based": ("that a vegan can eat", "without animal products"),
            "individually wrapped": ("each in its own foil", "packed one by one"),
            "high protein": ("to build muscle", "with lots of amino acids"),
            "artificial colors free": ("not dyed in a laboratory", "without fake dyes"),
            "kosher": ("that a rabbi would approve", "in line with Jewish law"),
            "freshly roasted": ("straight from the oven drum", "just browned over heat"),
        },
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
