"""Nobody writes into a task what allows a publish, but who may."""
import bypass
import bypass_fields  # noqa: F401

bypass.main()
