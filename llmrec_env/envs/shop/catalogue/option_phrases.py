"""The values of the generated shop's options, each with six other ways to say it."""

from __future__ import annotations

from llmrec_env.envs.shop.catalogue.phrases import read_phrases

COLORS = read_phrases("""
black
  as dark as coal | the shade of a moonless night | like a raven's feathers
  the tone of soot | darker than ink | the hue of a witch's cat
white
  like fresh snow | the shade of plain paper | pale as milk
  the tone of a bridal gown | the hue of clean chalk | bright as a swan
red
  like a ripe tomato | the shade of fire engines | the tone of fresh blood
  the hue of a stop sign | bright as a ladybird | tinted as a ripe cherry
navy blue
  like a sailor's uniform | the shade of the evening sea | the tone of a captain's coat
  the hue of deep water | like the sky just after dusk | tinted as raw denim
green
  like spring grass | the shade of clover | the tone of a frog
  the hue of pine needles | fresh as a lettuce leaf | tinted as a billiard table
yellow
  like a lemon peel | the shade of sunflowers | the tone of egg yolk
  the hue of a taxi in New York | bright as a canary | tinted as a ripe banana
pink
  like a flamingo | the shade of bubble gum | the tone of a piglet
  the hue of cherry blossom | soft as candy floss | tinted as a ballet slipper
purple
  like an aubergine | the shade of violets | the tone of ripe plums
  the hue of an amethyst | rich as a bishop's robe | tinted as a moor of heather
brown
  like roasted chestnuts | the shade of walnut wood | the tone of a bear's coat
  the hue of wet soil | dark as a coffee bean | tinted as a horse saddle
grey
  like a rain cloud | the shade of wet slate | the tone of an elephant
  the hue of bare concrete | dull as pewter | tinted as a mouse
orange
  like a pumpkin | the shade of carrots | the tone of a tangerine
  the hue of a traffic cone | bright as marigolds | tinted as a clownfish
beige
  like desert sand | the shade of oatmeal | the tone of raw pastry
  the hue of a trench coat | light as a biscuit | tinted as a camel
""")

SIZES = read_phrases("""
x-small
  the tiniest fit on offer | for someone very petite | cut for the daintiest of people
  the least cloth of all | two fits below the middle one | for a frame like a jockey's
small
  for a slight build | a fit below the middle one | cut for a slender frame
  one step under the average | for a lightweight | for narrow shoulders
medium
  the middle fit | for an average build | neither big nor little
  cut for an ordinary frame | the centre of the range | for shoulders like most people's
large
  for a big build | a fit above the middle one | cut for a burly frame
  one step over the average | for a heavyweight | for wide shoulders
x-large
  for a very big build | two fits above the middle one | cut for a rugby player
  roomier than most would need | the last fit but one | two steps over the average
xx-large
  the roomiest fit on offer | for a giant of a man | cut for a sumo wrestler
  nothing wider is sewn | the most cloth of all | the very top of the range
""")

PACKS = read_phrases("""
1 count
  just a single one | nothing but one piece | only one of them
  a lone item | no more than one | one and done
pack of 2
  a pair of them | two in one order | a twosome
  one for me and one for you | a couple in the box | twice the one thing
pack of 3
  three in one order | a trio of them | triplets in the box
  one for each of three friends | thrice the same | as many as a tricycle has wheels
pack of 6
  half a dozen | six in one order | a sextet of them
  as many as an insect has legs | one for every workday and Saturday | two times three
pack of 12
  a full dozen | twelve in one order | one for every month
  as many as a clock has hours | two times six | as many as eggs in a big carton
""")

SCENTS = read_phrases("""
lavender
  smelling of Provence fields | with the smell of a linen cupboard herb
  smelling of a sleeper's pillow | with the smell of mauve summer rows
  smelling of grandmother's drawer sachets | with the smell of an English cottage border
vanilla
  smelling of custard | with the smell of an ice cream bean
  smelling of a sweet orchid pod | with the smell of birthday cake batter
  smelling of pudding | with the smell of Madagascar's best export
rose
  smelling of a thorny garden flower | with the smell of a valentine bouquet
  smelling of Turkish delight | with the smell of a bridal wreath
  smelling of England's national bloom | with the smell of petals on a honeymoon bed
citrus
  smelling of squeezed lemons | with the smell of an orange grove
  smelling of grapefruit zest | with the smell of fresh lime juice
  smelling of marmalade | with the smell of a bergamot peel
sandalwood
  smelling of temple incense | with the smell of a warm eastern timber
  smelling of carved Indian boxes | with the smell of Mysore
  smelling of a creamy holy tree | with the smell of a yoga studio
unscented
  without any smell | for a nose that wants nothing | that cannot be smelled at all
  with no perfume in it | neutral to the nose | odourless
""")

FLAVORS = read_phrases("""
chocolate
  tasting of cocoa | with the taste of brownies | tasting of a Swiss truffle
  with the taste of Easter bunnies | tasting of fudge | with the taste of a Black Forest gateau
strawberry
  tasting of red summer berries | with the taste of Wimbledon fruit
  tasting of the jam on a scone | with the taste of a pink milkshake
  tasting of a berry with outside seeds | with the taste of a June fruit patch
salted caramel
  tasting of burnt sugar with sea flakes | with the taste of salty toffee
  tasting of briny butterscotch | with the taste of dulce de leche and a pinch of brine
  tasting of sweet and briny syrup | with the taste of a Breton sweet
peanut butter
  tasting of ground groundnuts | with the taste of a nutty spread
  tasting of what goes with jelly in a sandwich | with the taste of a monkey's favourite paste
  tasting of crushed legumes on toast | with the taste of satay
honey
  tasting of what bees make | with the taste of a hive | tasting of Pooh's favourite treat
  with the taste of mead | tasting of nectar from a comb | with the taste of an apiary
sea salt
  tasting of ocean crystals | with nothing but a briny taste | tasting of a dip in the Atlantic
  with the taste of dried surf | tasting of plain brine | with the taste of a beach breeze
barbecue
  tasting of a smoky grill | with the taste of summer ribs
  tasting of charcoal and brown sauce | with the taste of a Texan cookout
  tasting of a mesquite fire | with the taste of pulled pork glaze
cinnamon
  tasting of a Christmas bark spice | with the taste of spiced buns
  tasting of apple pie seasoning | with the taste of a Danish roll
  tasting of curled sweet bark | with the taste of mulled wine spice
""")

STORAGE = read_phrases("""
32gb
  with thirty-two gigs of room | two to the fifth gigabytes
  as many gigabytes as a chess set has pieces | four times eight gigs
  the least room in the list | one thirty-second of a terabyte
64gb
  with sixty-four gigs of room | two to the sixth gigabytes
  as many gigabytes as a chess board has squares | eight times eight gigs
  a sixteenth of a terabyte | four cubed gigabytes
128gb
  with a hundred and twenty-eight gigs of room | two to the seventh gigabytes
  an eighth of a terabyte | sixteen times eight gigs
  room for some thirty thousand photos | as many gigabytes as ASCII has signs
256gb
  with a quarter of a terabyte | two to the eighth gigabytes
  sixteen times sixteen gigs | as many gigabytes as a byte has values
  room for some sixty thousand photos | two hundred and fifty-six gigs of space
512gb
  with half a terabyte | two to the ninth gigabytes
  five hundred and twelve gigs of space | the most room in the list
  eight cubed gigabytes | room for more than a hundred thousand photos
""")

LENGTHS = read_phrases("""
3 feet
  about ninety centimetres long | one yard in length | up to an adult's waist
  thirty-six inches from end to end | a bit under a metre | as long as a baseball bat
6 feet
  as long as a tall man | two yards in length | some hundred and eighty centimetres long
  seventy-two inches from end to end | one fathom | the length of a sofa
10 feet
  some three metres long | as long as a little car | as high as a basketball hoop
  a hundred and twenty inches from end to end | a bit over three yards | from floor to ceiling
15 feet
  about four and a half metres long | five yards in length | as tall as a giraffe
  a hundred and eighty inches from end to end | as long as a family car | across a whole lounge
""")

MATERIALS = read_phrases("""
solid oak
  made of acorn tree timber | from the tree of acorns | of Sherwood Forest timber
  made of what wine barrels are | of massive hardwood planks | from a druid's sacred tree
bamboo
  made of what pandas eat | from a giant grass | of hollow jungle canes
  made of Asian scaffolding poles | of fast-growing stalks | from a hollow reed
stainless steel
  made of metal that never rusts | from kitchen sink metal | of surgeon's knife alloy
  made of chrome and iron | of brushed cutlery metal | from a rustproof alloy
ceramic
  made of fired clay | from a potter's kiln | of glazed earthenware
  made of what tiles are | of the stuff of teapots | from baked porcelain paste
""")

FABRICS = read_phrases("""
cotton
  made of a soft pale plant fibre | from what jeans are woven of | of T-shirt cloth
  made of fluffy field bolls | of an Egyptian crop | from what swabs are tipped with
velvet
  made of a plush pile cloth | from theatre curtain cloth | of the stuff of royal robes
  made of cloth with a nap | of cloth soft as a mole | from the lining of jewel boxes
linen
  made of flax | from crisp summer cloth | of what flowering stalks give
  made of Irish tablecloth fibre | of cloth that creases at once | from retted stem fibre
silk
  made of what caterpillars spin | from parachute cloth of old | of a fine necktie's cloth
  made of cocoon thread | of what came along the old road from China | from mulberry moth thread
""")

BED_SIZES = read_phrases("""
twin
  for one narrow bed | for a child's bed | thirty-eight inches across
  for a bunk | for a lone sleeper | to fit a dormitory bed
full
  for a wider bed of one | for a double bed | fifty-four inches across
  for one who sprawls | for a teenager's roomy bed | between one sleeper and a couple
queen
  for a couple's usual bed | sixty inches across | for two sleepers who like to touch
  to fit the commonest bed of two | for a chess lady's bed | the second widest mattress
king
  for the widest bed of all | seventy-six inches across | for a couple and their dog
  to fit a monarch's bed | for two who never touch | the widest mattress there is
""")
