"""An approval is for what was there when it was given, or for nothing."""
import bypass
import bypass_changes  # noqa: F401

bypass.main()
