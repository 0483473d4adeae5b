"""The task machine in little, from the contract's words alone: what has to
come of a step. Nothing here knows of files, records, transports or time."""
SCOPE = dict.fromkeys(("codex", "other", "coordinator"), "tool_runner") | {
    "admin": "admin"}
ANY = "pending running stalled needs_review approved rejected halted".split()
WORKS, DECIDES, BOTH = ("tool_runner",), ("admin",), ("tool_runner", "admin")
STEPS = {   # who, from which states, to which
    "update": (BOTH, ANY, None),
    "ack": (WORKS, ("pending", "stalled"), "running"),
    "heartbeat": (WORKS, ("running", "stalled"), "running"),
    "result": (WORKS, ("running",), "needs_review"),
    "verdict": (WORKS, ("needs_review",), None),
    "redispatch": (BOTH, ("needs_review",), "pending"),
    "approve": (DECIDES, ("needs_review",), "approved"),
    "reject": (DECIDES, ("needs_review",), "rejected"),
    "halt": (DECIDES, ANY[:4], "halted"),
    "resume": (DECIDES, ("halted",), "pending")}


class Task:
    state, attempt, holder, locked, version = "pending", 1, None, False, 0
    log, judged, issues = 0, None, []

    def __init__(self, criteria):
        self.criteria = criteria

    def take(self, step, by, base=None, attempt=None, echo=None, refs=(),
             criteria=None, log=0, issues=(), room=True):
        """The first of all that can be wrong and is, or None: it is done."""
        who, states, to = STEPS[step]
        held = step in ("heartbeat", "result") or (
            step == "ack" and self.state == "stalled")
        over = held and step == "ack" and attempt == self.attempt + 1
        wrong = {
            "insufficient_scope": SCOPE[by] not in who,
            "base_sha_required": step == "update" and base is None,
            "write_conflict": base not in (None, self.version),
            "criteria_locked": criteria is not None and self.locked,
            "stale_attempt": attempt not in (
                None, self.attempt + (over or step == "redispatch")),
            "invalid_transition": self.state not in states,
            "lease_held": held and not over and by != self.holder,
            "ack_mismatch": step == "ack" and echo != self.criteria,
            "executor_busy": not room and self.state != "running",
            "unknown_criterion": set(refs) - {c["id"] for c in self.criteria},
            "unknown_evidence": step == "verdict" and self.log <= max(
                [i["evidence"]["work_log_index"] for i in issues] or [-1]),
            "fidelity_mismatch": step == "redispatch" and
            issues != self.judged}
        if said := next((code for code, so in wrong.items() if so), None):
            return said
        self.version, self.state = self.version + 1, to or self.state
        self.attempt, self.log = attempt or self.attempt, log or self.log
        self.criteria = criteria or self.criteria
        self.holder = by if to == "running" else None if to else self.holder
        self.locked |= step == "ack"
        self.judged = {"verdict": issues, "result": None
                       }.get(step, self.judged)
        self.issues = issues if step == "redispatch" else self.issues
