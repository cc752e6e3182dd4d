"""Files that recordings are read from: what kind one is, how it is packed, and those that others wrote.

``formats`` makes exchanges of the bytes of a file, ``packing`` undoes gzip and zstd, ``importers`` read the cassettes
of vcr and HAR files.
"""
