"""However it ends and starts, nothing goes out twice, or unapproved."""
import bypass
import bypass_restarts  # noqa: F401

bypass.main()
