"""The policy holds, for every call and again when its run starts."""
import bypass
import bypass_policy

bypass.main(make=bypass_policy.new_agent)
