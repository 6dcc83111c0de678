"""What every test may rely on."""

import signal

# A shell starts its background jobs with SIGINT ignored, and every process inherits that: the tests that press Ctrl-C
# would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
