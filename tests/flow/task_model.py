"""The task machine in little, from the contract's words alone: what has to
come of a step. Nothing here knows of files, records, transports or time."""
WORKS, DECIDES = "tool_runner", "admin"
SCOPE = {"codex": WORKS, "other": WORKS, "coordinator": WORKS,
         "admin": DECIDES}
ANY = "pending running stalled needs_review approved rejected halted".split()
STEPS = {   # who, from which states, to which
    "update": ((WORKS, DECIDES), ANY, None),
    "ack": ((WORKS,), ("pending", "stalled"), "running"),
    "heartbeat": ((WORKS,), ("running", "stalled"), "running"),
    "result": ((WORKS,), ("running",), "needs_review"),
    "verdict": ((WORKS,), ("needs_review",), None),
    "redispatch": ((WORKS, DECIDES), ("needs_review",), "pending"),
    "approve": ((DECIDES,), ("needs_review",), "approved"),
    "reject": ((DECIDES,), ("needs_review",), "rejected"),
    "halt": ((DECIDES,), ANY[:4], "halted"),
    "resume": ((DECIDES,), ("halted",), "pending")}


class Task:
    def __init__(self, criteria):
        self.criteria, self.state, self.attempt = criteria, "pending", 1
        self.holder, self.locked, self.version = None, False, 0
        self.log, self.judged, self.issues = 0, None, []

    def wrong(self, step, by, base=None, attempt=None, echo=None, refs=(),
              criteria=None, log=0, issues=()):
        """All that can be wrong, and whether it is; the first is said."""
        who, states, _ = STEPS[step]
        over = self.over(step, attempt)
        opened = self.attempt + (step == "redispatch" or over)
        lines = [i["evidence"]["work_log_index"] for i in issues]
        return {
            "insufficient_scope": SCOPE[by] not in who,
            "base_sha_required": step == "update" and base is None,
            "write_conflict": base not in (None, self.version),
            "criteria_locked": criteria is not None and self.locked,
            "stale_attempt": attempt not in (None, opened),
            "invalid_transition": self.state not in states,
            "lease_held": by != self.holder and (
                step in ("heartbeat", "result") or
                step == "ack" and self.state == "stalled" and not over),
            "ack_mismatch": step == "ack" and echo != self.criteria,
            "unknown_criterion": bool(
                set(refs) - {c["id"] for c in self.criteria}),
            "unknown_evidence": step == "verdict" and
            max(lines, default=-1) >= self.log,
            "fidelity_mismatch": step == "redispatch" and
            issues != self.judged}

    def over(self, step, attempt):
        """A missed task is taken over by its next attempt."""
        return step == "ack" and self.state == "stalled" and \
            attempt == self.attempt + 1

    def take(self, step, by, **given):
        """Why it is refused, or None: it was done."""
        for code, so in self.wrong(step, by, **given).items():
            if so:
                return code
        self.version += 1
        self.attempt += self.over(step, given.get("attempt"))
        self.state = STEPS[step][2] or self.state
        self.criteria = given.get("criteria", self.criteria)
        if step in ("ack", "heartbeat"):
            self.holder, self.locked = by, True
        elif step != "update":
            self.holder = None
        if step == "result":
            self.log, self.judged = given["log"], None
        if step == "verdict":
            self.judged = given["issues"]
        if step == "redispatch":
            self.attempt, self.issues = given["attempt"], given["issues"]
