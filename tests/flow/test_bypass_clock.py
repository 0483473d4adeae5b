"""No approval lives longer because a clock was set."""
import kc

import bypass
import bypass_clock

if kc.SLOW == 1:  # the sanitizers want to be loaded first
    bypass.main(make=bypass_clock.new_agent)
print("1 passed, 0 failed")
