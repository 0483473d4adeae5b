"""Nothing that is said about a publish makes it less than one."""
import bypass
import bypass_levels  # noqa: F401

bypass.main()
