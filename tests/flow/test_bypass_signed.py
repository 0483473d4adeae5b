"""Where decisions are signed, nothing else decides."""
import bypass
import bypass_signed

bypass.main(make=bypass_signed.new_agent)
