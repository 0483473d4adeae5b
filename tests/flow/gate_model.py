"""The gate in little: what has to come of a step, in as few words as it takes.
Nothing here knows of files, records, nonces' bytes or time."""
REQUIRED = {"test.two": 2}
OVER = {"expired": "approval_expired", "stale": "approval_stale"}


class Approval:
    def __init__(self, gate, key, parked):
        self.tool, self.task, self.said, self.by, _ = self.key = key
        self.state, self.parked, self.queued = "pending", parked, False
        self.mode, self.yes, self.film = None, set(), gate.film


class Gate:
    def __init__(self, tasks):
        self.mode, self.policy, self.film = "normal", 0, 0
        self.allow = dict.fromkeys(tasks, False)
        self.newest, self.all, self.nonces, self.published = {}, {}, {}, 0

    def end(self, like, state="stale"):
        for a in self.all.values():
            if a.state in ("pending", "approved") and like(a):
                a.state = state

    def start(self, a):
        """Its run has a place: the last look at it."""
        fits = self.allow[a.task] and (a.tool != "test.file" or
                                       a.film == self.film)
        a.state = "used" if fits else "stale"
        self.published += fits
        return "succeeded" if fits else "cancelled"

    def ask(self, by, tool, task, said, park):
        """(what comes of it, the approval or None)"""
        if self.mode == "stopped":
            return "mode_stopped", None
        key = (tool, task, self.film if tool == "test.file" else said, by,
               self.policy)
        a = self.newest.get(key)
        if a and a.state == "approved":
            a.queued = True
            return ("queued" if tool == "test.grace" else self.start(a)), a
        if not a or a.state != "pending":
            a = self.newest[key] = Approval(self, key, False)
        a.parked |= park
        return ("awaiting_approval" if a.parked and park
                else "approval_required"), a

    def over(self, a):
        return a.state != "pending" and OVER.get(a.state, "already_decided")

    def review(self, by, name):
        return self.over(self.all[name]) or "ok"

    def approve(self, by, name, nonce, allow, read=True):
        a = self.all[name]
        of, whose, used = self.nonces.get(nonce, (None, None, False))
        mine = of == name
        if mine and used:
            return "nonce_used"
        if self.over(a):
            return self.over(a)
        if by == a.by or by in a.yes:
            return "self_approval"
        if not read:
            return "approval_stale"
        if not mine or whose != by:
            return "nonce_used"
        if not allow and not self.allow[a.task]:
            return "publish_not_allowed"
        self.nonces[nonce] = (of, whose, True)
        a.yes.add(by)
        if len(a.yes) == REQUIRED.get(a.tool, 1):
            a.state, a.mode = "approved", self.mode
            self.allow[a.task] |= allow
            a.queued = a.parked
            if a.parked and a.tool != "test.grace":
                self.start(a)
        return "ok"

    def reject(self, by, name):
        a = self.all[name]
        wrong = self.over(a)
        a.state = a.state if wrong else "rejected"
        return wrong or "ok"

    def cancel(self, by, name):
        a = self.all[name]
        if a.state == "approved":
            a.state = "pending"
        wrong = self.over(a)
        a.state = a.state if wrong else "cancelled"
        return wrong or "ok"

    def set_mode(self, mode):
        self.mode = mode
        self.end(lambda a: mode == "stopped" or
                 (a.state == "approved" and a.mode != mode))
