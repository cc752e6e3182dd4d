"""What a request is made of, as TypedDicts: plain dicts to whoever runs the code, checked ones to whoever types it.

Names and fields are those of the published Chat Completions API, in the words of the official SDK for Python. A part
that has no name of its own there is named after the field it stands in, with Param at the end where the answer has
a part of the same name. Rules: no code but declarations; an array is a Sequence and a map a Mapping, so that what a
caller has at hand fits. Limits are stated here and held by `chatstream.validation`.

Everything here is offered by `chatstream.types`.
"""
