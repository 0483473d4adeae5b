"""Who comes at the same moment gets no more past the gate than who waits."""
import bypass
import bypass_races  # noqa: F401

bypass.main()
