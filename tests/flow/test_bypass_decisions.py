"""One publish needs one decision, of somebody else, about that publish."""
import bypass
import bypass_decisions  # noqa: F401

bypass.main()
