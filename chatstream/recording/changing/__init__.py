"""Exchanges changed: their bodies, what they say of themselves, and the faults that can be put into them.

``body`` is the text of an exchange without losing when its parts came, ``changes`` an exchange after a change,
``injection`` what each fault does, ``striking`` which faults strike a request.
"""
