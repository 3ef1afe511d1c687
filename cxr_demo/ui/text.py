"""The page's sentences that belong to no method and no model."""

TITLE = "Chest X-ray: findings, and three views of why"
TAGLINE = "One film, one finding, several explanations side by side."
NOTICE = "Research demo · not for clinical use"

HOW_TO_READ = """
**The bars.** Each bar is the model's calibrated probability of a finding on this film, each by itself: they
need not add up to 100 %. The upright line is the operating point, chosen on films the model was not trained
on; ▲ marks findings above it.

**The maps.** Colour says which places spoke *for* the chosen finding and which *against* it, and the colour
bar below each picture says how much. For methods in *logits per 1/49 of the view*, a value of +0.5 means: an
area as large as one cell of a 7 × 7 grid, at this place, raises the finding's log-odds by 0.5. No colour
means no evidence. Methods in *ranking only* order the places, and their numbers mean nothing beyond that.

**The scale.** *Each its own* shows where each method finds its evidence; a line under the colour bar says where one
is much fainter than another. *Same for all methods* gives equal numbers equal colours, so strengths can be compared
by eye. Hatched strips were never seen by the model.

**What no map can tell.** A map shows what moved this model's number, not where the disease is, and not
whether the model is right. Where methods disagree, trust none of them alone.
"""

LIMITS = """
Films are kept only in a folder of this service, deleted within an hour and when the service ends; the one you look at
stays in memory until you close the page. Nothing of them is logged or shared.
Programs call the same model through the endpoints `/predict` and `/explain`: see *Use via API* at the foot of
the page.
"""

FAILED = "Something went wrong on our side, not with your film. Please try again."
BAD_CALL = (
    "The endpoint cannot use these values. Give one for each parameter, null for what is left out, and as the film "
    "what this page answered when it was sent."
)
NO_DISK = "This service cannot keep what was asked for: it has no room left, or may not write. Please try again later."
REFUSED = "This could not be done just now; too many may be waiting. Please try again."
NO_MAPS = "There are no finished maps of this film here, or they are no longer kept; please run a method again."
NOT_FETCHED = "Films are not fetched from addresses; please send the file itself."
TOOL_FILM = (
    "The film: what the upload tool or this page's /gradio_api/upload answered, or a data: URL in base64 of a file up "
    "to 700 kB. No other address is fetched."
)
