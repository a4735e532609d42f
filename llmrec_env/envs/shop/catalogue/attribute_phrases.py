"""The attributes of the generated shop's departments, each with six other ways to say it."""

from __future__ import annotations

from llmrec_env.envs.shop.catalogue.phrases import read_phrases

BEAUTY = read_phrases("""
cruelty free
  never tested on rabbits | made without hurting any animal | kind to lab mice
  with a leaping bunny on the label | that no creature suffered for | without experiments on beasts
long lasting
  good from morning to midnight | that stays put for hours | that outlives a whole party
  still there the next day | with no need for a touch-up | that wears on and on
sulfate free
  without harsh foaming salts | without lauryl chemicals | with no SLS inside
  that hardly lathers | with gentle suds only | spared the usual detergents
natural ingredients
  made of what grows outdoors | without anything synthetic | from plants and minerals alone
  out of nature's pantry | with nothing from a chemist's flask | of herbs and roots
sensitive skin
  kind to people who redden easily | mild enough for a baby | for a face that itches fast
  safe for those prone to rashes | gentle on a touchy complexion | for allergic types
fast absorbing
  gone into the pores in seconds | that leaves no film behind | that sinks in at once
  dry to the touch right away | never greasy on the surface | drunk up as by a sponge
travel size
  little enough for hand luggage | fit for a carry-on pouch | allowed on the plane
  for a weekend kit | within the airport's liquid limit | for a trip
dermatologist tested
  tried by doctors first | approved in a clinic | checked by complexion experts
  with a medical seal | that passed a patch trial | vetted by physicians
anti aging
  against wrinkles | to look younger | to turn back the clock
  for crow's feet | for a mature face | that smooths fine lines
paraben free
  without common preservatives | free of methyl esters | with no hormone-like stabilisers
  that keeps without E218 | spared the usual shelf-life agents | with nothing that mimics oestrogen
""")

ELECTRONICS = read_phrases("""
fast charging
  full again within the hour | quick to fill up with power | juiced up over a coffee
  with a rapid top-up | from empty to ready in no time | that takes a big current
water resistant
  unharmed by a splash | that survives the rain | happy by the pool
  sealed against wet | not afraid of a spilled drink | fine in a drizzle
noise cancelling
  that shuts the world out | against engine hum | for silence on a plane
  that mutes the street | with a hush built in | that drowns out the neighbours
high speed
  that moves data in a flash | without any lag | quick as lightning
  with a huge bandwidth | that never makes you wait | at a rapid rate
gold plated
  with precious metal contacts | with connectors that do not tarnish | with gilded tips
  with plugs that shine like a ring | coated in a jeweller's metal | with auric ends
easy to install
  set up in two minutes | that needs no electrician | mounted without a manual
  up and running at once | fitted by any beginner | that goes in without fuss
hands free
  used without touching it | that obeys by voice alone | for use while you cook
  with nothing to hold | that works on command | while your fingers are busy
heavy duty
  that takes a beating | built for rough work | made for a building site
  hard to break | tough as a tank | for years of abuse
plug and play
  ready without drivers | that works once it is in the socket | with no software to load
  connected and done | that the computer knows at once | no setup whatsoever
wireless
  without any cord | connected through the air | cut loose from the wall
  by radio alone | with no leads to trip over | untethered
""")

GARDEN = read_phrases("""
machine washable
  fine on a forty degree cycle | that needs no dry cleaner | safe in the laundry drum
  that comes clean with the shirts | that a washer can handle | to throw in with the towels
easy assemble
  put together in minutes | that takes no toolbox | built up without cursing
  that snaps together | with few screws | ready after a short build
space saving
  for a tiny flat | that folds out of the way | for a cramped studio
  with a slim footprint | that stacks when not used | that leaves the floor clear
eco friendly
  gentle on the planet | good for the climate | from recycled stuff
  with a clear conscience about nature | that the earth thanks you for | low in carbon
living room
  to stand beside the sofa | for where the family watches films | for the lounge
  for the parlour | for where guests are seated | for around the fireplace
non slip
  that stays where it stands | safe on a wet floor | with a good grip
  with rubber underneath | that will not skid | that does not slide about
hand crafted
  made one by one by artisans | not from a factory line | shaped by a master of the trade
  with the marks of a human maker | from a village workshop | each a little different
fade resistant
  that keeps its hue in the sun | unbleached by sunlight | as bright in ten years as today
  with lasting dyes | that does not turn pale | untouched by ultraviolet light
mid century
  in the fashion of the fifties | as in a Mad Men set | as Eames drew it
  from the age of tailfins | in postwar style | as our grandparents modernised
lead free
  without toxic heavy metals | safe for toddlers to chew | with nothing like in old paint
  with no Pb in it | tested for poisonous metal | that will not harm the nerves
""")

FASHION = read_phrases("""
machine wash
  that goes in with the laundry | without any hand scrubbing | for the spin cycle
  cleaned at the push of a button | that the drum does not hurt | no need for a basin
slim fit
  cut close to the body | with a narrow silhouette | that hugs the figure
  tailored tight | with no loose cloth | lean in the cut
long sleeve
  covering the arms | down to the wrists | that hides the elbows
  with the forearms warm | not bare above the hands | with cuffs far down
elastic waist
  that stretches around the belly | without a belt | with a rubber band on top
  that gives after a big dinner | easy to pull up | with a springy band
quick drying
  dry an hour after the wash | that sheds sweat at once | no longer damp after a short rest
  that needs little line time | ready again the same evening | wet only for minutes
stretch fabric
  that gives when you bend | of cloth with spandex | for yoga poses
  that moves with you | with some lycra | that springs back
daily wear
  for every day of the week | not just for best | for ordinary days
  to put on each morning | from Monday to Sunday | for running errands
imported zipper
  closed by a foreign fastener | with teeth from abroad | with a fastener from overseas
  zipped by Japanese hardware | with a slider of another country | with a closure made elsewhere
soft lining
  smooth on the inside | that does not itch | gentle against the body
  padded within | with a cosy interior | silky under the outer layer
high waist
  that sits above the navel | rising over the hips | with the top near the ribs
  that covers the belly button | cut well above the pelvis | the opposite of hipsters
""")

GROCERY = read_phrases("""
gluten free
  safe for coeliacs | without wheat protein | with no barley or rye
  for a celiac guest | made without common flour | for bellies that bread upsets
low sugar
  hardly sweetened | fine for a diabetic | that a dentist would allow
  with few carbs | barely sweet | that spares your insulin
non gmo
  from unmodified seeds | without tinkered genes | with DNA left alone
  from crops as nature bred them | with no laboratory corn | that no geneticist touched
dairy free
  without any milk | for the lactose intolerant | with no cow involved
  without whey or casein | with no cream or cheese | that never saw an udder
plant based
  that a vegan can eat | without animal products | with nothing from a beast
  grown not slaughtered | from the field alone | fit for strict herbivores
individually wrapped
  each in its own foil | packed one by one | in single portions
  every piece in a sachet | one at a time for the lunch box | separately sealed
high protein
  to build muscle | with lots of amino acids | for after the gym
  that bodybuilders like | that fills you like a steak | with macros for athletes
artificial colors free
  not dyed in a laboratory | without fake dyes | with no E-number pigments
  in the tint nature gave it | with no synthetic tints | pale as the recipe makes it
kosher
  that a rabbi would approve | in line with Jewish law | fit for a Shabbat table
  with a hechsher on it | allowed by the Torah | for a table that parts milk from meat
freshly roasted
  straight from the oven drum | just browned over heat | warm from the toaster
  browned only this week | with the aroma of a new batch | not long out of the fire
""")
