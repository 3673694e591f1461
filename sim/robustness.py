"""Not a simulation: rounds of real processes under load and faults, which lie with the tests.

Run it: ./dev sim robustness --minutes N --seed S
"""

import sys

from tests.robustness.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
