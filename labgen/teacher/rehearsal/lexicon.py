"""The rehearsal teacher's own words: what subjects, names and settings it exchanges and adds."""

from __future__ import annotations

from labgen.teacher.rehearsal.sentences import word_list

FIRST_NAMES = word_list("""
Amara Anton Beatriz Bilal Camille Chidi Daria Dmitri Elena Emeka Farah Felix Greta Hamid Hana Ingrid Ivo Jamal Jonas
Kavya Keiko Lars Leila Magnus Marisol Mei Nadia Nils Odile Omar Paola Piotr Quinn Rafael Rosa Samir Saskia Tariq
Tilda Umberto Ursula Viktor Wanda Xenia Yusuf Zofia
""")
KNOWN_NAMES = frozenset(
    word_list("""
Adam Alex Alice Amy Andrew Ann Anna Anne Ben Bob Bill Carol Charles Charlie Chris Claire Dan Daniel David Diana Ed
Emily Emma Eric Eva Eve Frank George Grace Hannah Harry Helen Henry Ian Jack Jacob James Jane Jason Jean Jeff Jen
Jennifer Jessica Jill Jim Joe John Julia Julie Karen Kate Kevin Laura Leo Lily Linda Lisa Lucas Lucy Luke Maria Mark
Martin Mary Matt Max Maya Michael Mia Mike Mona Nancy Nick Nina Noah Olivia Pam Paul Peter Philip Rachel Rebecca
Richard Robert Ron Sam Sara Sarah Scott Simon Sofia Sophia Sophie Steve Steven Sue Susan Thomas Tim Tom Tony Will
William Zoe
""")
)
PLACES = word_list("""
Accra Antwerp Arequipa Bergen Bologna Bratislava Cartagena Cork Dakar Davao Edirne Fukuoka Galway Ghent Graz Haifa
Hobart Izmir Kigali Kochi Leeds Lima Lodz Lusaka Malmo Medellin Montevideo Nagoya Oaxaca Oslo Perth Porto Quito Riga
Rosario Salta Sapporo Seville Tampere Tartu Toledo Trieste Utrecht Valencia Windhoek Zagreb
""")
NOUNS = word_list("""
anchor apple archive aquarium bakery balcony barley basket beehive bicycle blanket boat bridge bucket button camera
candle canvas castle ceiling cellar chimney clock cloud coat compass concert copper cradle crystal curtain desert
dolphin drawer drum eagle engine envelope feather ferry fiddle forest fountain garden ginger glacier glove granite
guitar hammer harbour harvest hedge helmet honey island ivory jacket journal kettle kitchen ladder lantern lemon
letter library lighthouse linen lizard magnet market meadow mirror monsoon mountain mural museum needle notebook
novel oasis olive onion orchard orchid otter oven paddle paper parcel parrot pebble pencil pepper piano pillow planet
pocket pottery puzzle quarry quilt rabbit radio railway recipe ribbon river rocket saddle sailor salmon school scooter
season shelter shovel silver spider station stove suitcase summer sweater table telescope temple theatre thread ticket
timber tractor tunnel turtle umbrella valley vessel village vinegar violin walnut weather whistle willow window winter
workshop zebra
""")
ADJECTIVES = word_list("""
amber ancient bitter bright brittle bronze calm careful cheerful clever coastal copper crowded curious distant dusty
early eastern elegant faded famous foggy fragile fresh gentle golden hidden hollow humble icy lively local lonely loud
modern narrow northern patient plain playful polite proud quiet rapid rare rough rural rusty sandy secret silent simple
slow smooth southern stubborn sturdy sudden sunny tall tender tidy tiny urgent vast velvet warm western wild windy
wooden worn
""")
DOINGS = word_list("""
baking balancing borrowing building carrying catching cleaning climbing collecting cooking counting crossing dancing
digging drawing drying feeding fixing folding gathering growing hiding knitting lifting measuring mending packing
painting planting polishing printing reading repairing rowing sailing saving sewing shaping singing sketching sorting
stacking storing sweeping swimming teaching testing tracing trading travelling tuning visiting walking washing watching
weaving weighing writing
""")
DONES = word_list("""
baked balanced borrowed carried cleaned climbed collected cooked counted crossed delivered dried finished fixed folded
gathered hidden joined lifted measured mended mixed moved noticed opened ordered packed painted planted polished
printed repaired saved shaped shared sorted stacked stored traced traded visited washed watched weighed
""")
MANNERS = word_list("""
boldly briefly brightly calmly carefully cheaply clearly closely easily evenly firmly gently gladly kindly lightly
loudly mainly neatly nicely openly partly plainly quickly quietly rarely safely sharply slowly smoothly softly steadily
warmly weekly widely
""")
WHERE = (
    "in a {adjective} {noun} shop in {place}",
    "on a {adjective} morning near {place}",
    "at the {noun} fair of {place}",
    "during a {noun} course in {place}",
    "for the {adjective} {noun} club run by {name}",
    "on the way from {place} to {place}",
    "among friends of {name} at a {noun} workshop",
    "behind the {adjective} {noun} museum",
    "while {name} is {doing} a {noun}",
    "after {name} {done} the {adjective} {noun}",
    "between two {noun} deliveries to {place}",
    "beside the {noun} market where {name} works",
)
"""Places, times and company. Holes are drawn anew each time, so that no two settings are alike."""
FRAMES = (
    "Set it {where}.",
    "Suppose that this comes up {where}.",
    "{name} asks for it {where}.",
    "Think of a {noun}, a {adjective} {noun} and a {noun} while you work.",
    "It is meant for {name}, who has been {doing} {noun}s {where}.",
    "Imagine {name} and {name} {doing} {noun}s {where}.",
    "Bring in a {adjective} {noun}, and {name} who {done} it {manner}.",
    "My {adjective} {noun} from {place} depends on this, so work {manner}.",
    "Our {noun} group meets {where}; please write with that in mind.",
    "There is also a {adjective} {noun} {where}.",
    "We were {doing} {manner} {where} when this arose.",
    "The occasion: a {noun} {manner} {done} {where}.",
    "Readers in {place} prefer {adjective} {noun}s, and {name} knows that.",
    "{number} people {where} are waiting for the result.",
)
"""Sentences that give an instruction a new setting."""
OPENINGS = (
    "{name} from {place} would like to know this:",
    "This is for a {adjective} {noun} lesson in {place}.",
    "Here is something that came up {where}.",
    "A {adjective} question from {name}:",
    "I am {doing} a {noun} {where} and need help.",
    "While {doing} {noun}s, {name} wondered about the following.",
    "Good day from {place}!",
    "For our {noun} newsletter:",
)
"""Sentences that can stand before an instruction."""
STORY = (
    "{name} {done} a {adjective} {noun} {where}.",
    "The {noun} was {manner} {done} {where}, which took {number} days.",
    "In {place}, the {adjective} {noun} costs {number} coins more than the {noun}.",
    "{name} and {name} have been {doing} {noun}s {where} since {year}.",
    "A {adjective} {noun} was {done} by {name} in {year}.",
    "About {number} {noun}s were {done} {where}.",
    "The {adjective} {noun} belongs to {name}, who moved to {place} in {year}.",
    "Nobody {where} had seen such a {adjective} {noun} before.",
)
"""Sentences that can be added to a source text."""
LASTING = frozenset(
    word_list("""
able above across added afternoon almost along already always among another anyone anything arrive arrived arrives
asked based became become becomes began best better bought brings brought buys called came city come comes conclude
correct create creates cost costs days decide decided decides does done drive each either else enough even evening
ever every everyone everything expected explain feel find finds fewer first fifth five four found from gave gets gives
given goes going good half happened help high higher hour hours inside into items just keep keeps kept kill kills know
knows large last later lead leads least leave leaves left less like list live lives long longer look looks lost lower
made make many mean means meet minute minutes month months more morning most move moves much must near need needed
needs never next night none number numbers once only open order other outside over owns part people person place
placed plain play played please point possible prepare provide puts quite rather reached read really receive remain
remaining remains return right room said same second seen sell sells sells send sends shall shared short show shows
since small some someone something sold started still stop sure take taken takes talk than them then there they thing
think third this those three through time times today told tomorrow took total toward towards tried turn turns twice
under understand until upon used using usually value wait want wants watch week weeks well went were what when where
whether which while whole wins with within without word words work works worth would write writes year years yesterday
Monday Tuesday Wednesday Thursday Friday Saturday Sunday
""")
)
"""Words that hold a text together; exchanging them would leave nothing to understand."""
