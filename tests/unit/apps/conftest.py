"""Properties without a deadline: a busy machine is no fault of a codec."""

from hypothesis import settings

settings.register_profile("lab", deadline=None)
settings.load_profile("lab")
