"""The command line. Importing it sets OMP_WAIT_POLICY, which OpenMP reads when torch loads it."""

import os

# idle threads must not spin on shared cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
