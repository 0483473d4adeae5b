"""The task machine in little, from the contract's words alone: what has to
come of a step. Of several things that are wrong, the first is said: the
scope, the base, the locked criteria, the attempt, the state, the holder, the
words. Nothing here knows of files, records, transports or time."""
WORKS, DECIDES = "tool_runner", "admin"
SCOPE = {"codex": WORKS, "other": WORKS, "coordinator": WORKS,
         "admin": DECIDES}
ANY = "pending running stalled needs_review approved rejected halted".split()
STEPS = {   # who, from which states, to which
    "update": ((WORKS, DECIDES), ANY, None),
    "ack": ((WORKS,), ("pending", "stalled"), "running"),
    "heartbeat": ((WORKS,), ("running", "stalled"), "running"),
    "result": ((WORKS,), ("running",), "needs_review"),
    "approve": ((DECIDES,), ("needs_review",), "approved"),
    "reject": ((DECIDES,), ("needs_review",), "rejected"),
    "halt": ((DECIDES,), ("pending", "running", "stalled", "needs_review"),
             "halted"),
    "resume": ((DECIDES,), ("halted",), "pending")}


class Task:
    def __init__(self, criteria):
        self.criteria, self.state, self.attempt = criteria, "pending", 1
        self.holder, self.locked, self.version = None, False, 0

    def refusal(self, step, by, base=None, attempt=None, echo=None, refs=(),
                criteria=None):
        who, states, _ = STEPS[step]
        if SCOPE[by] not in who:
            return "insufficient_scope"
        if base is None and step == "update":
            return "base_sha_required"
        if base not in (None, self.version):
            return "write_conflict"
        if criteria is not None and self.locked:
            return "criteria_locked"
        if attempt not in (None, self.attempt):
            return "stale_attempt"
        if self.state not in states:
            return "invalid_transition"
        if step in ("heartbeat", "result") and by != self.holder:
            return "lease_held"
        if step == "ack" and echo != self.criteria:
            return "ack_mismatch"
        if set(refs) - {c["id"] for c in self.criteria}:
            return "unknown_criterion"

    def take(self, step, by, **given):
        """What is refused and why, or None: it was done."""
        if wrong := self.refusal(step, by, **given):
            return wrong
        self.version += 1
        self.state = STEPS[step][2] or self.state
        self.criteria = given.get("criteria", self.criteria)
        if step == "ack":
            self.holder, self.locked = by, True
        elif step not in ("update", "heartbeat"):
            self.holder = None
