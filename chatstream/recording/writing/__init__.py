"""How a tape is written: from a read that somebody takes to bytes in a file.

A ``Take`` notes reads in a buffer; a channel's thread has a scribe make lines of them (``composing``, with secrets
masked by ``masking``) and writes them to its ``tapefile``.
"""
