from hypothesis import settings

# A machine that does other things at the same time is no finding.
settings.register_profile("portal", deadline=None)
settings.load_profile("portal")
