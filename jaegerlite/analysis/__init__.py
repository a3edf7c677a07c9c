"""Understanding traces: what took the time in one, what went wrong in it, and how many of them compare.

Every module here works on spans that are loaded already; reading them and answering requests is done elsewhere.
"""
