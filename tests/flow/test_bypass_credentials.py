"""Who is not let in decides nothing, whatever the bytes say."""
import bypass
import bypass_credentials  # noqa: F401

bypass.main()
