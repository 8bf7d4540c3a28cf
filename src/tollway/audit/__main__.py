"""`python -m tollway.audit`."""

import sys

from tollway.audit.commands import main

sys.exit(main())
