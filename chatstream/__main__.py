"""`python -m chatstream`: the command line, where the console script is not on the path."""

import sys

from chatstream.cli import main

sys.exit(main())
