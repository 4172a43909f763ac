"""`python -m aecore` is the command `aecore`."""

from aecore.cli.parser import main

raise SystemExit(main())
