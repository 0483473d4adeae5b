"""Runs a file's test_ functions and ends with a line of counts."""
import inspect
import signal
import sys
import traceback


class Late(Exception):
    """The test took longer than it may."""


def _late(*_):
    raise Late("the test took too long")


def _report(agents):
    text = traceback.format_exc()
    for a in agents:
        text += f"--- log of {a.home}\n"
        text += "\n".join(a.log.splitlines()[-40:]) + "\n"
    return text


def _close(agent):
    """Ends an agent after a failure, whose report is what counts."""
    try:
        agent.close()
    except Exception:
        pass


def _run(test, new_agent, shared, seconds):
    """None, or what went wrong as text."""
    own, args = [], []
    signal.alarm(seconds)
    try:
        for name in inspect.signature(test).parameters:
            if name != "agent":
                own.append(new_agent())
            elif not shared:
                shared.append(new_agent())
            elif not shared[0].running:
                shared[0].start()
            args.append(shared[0] if name == "agent" else own[-1])
        test(*args)
        while own:
            own.pop().close()
        return None
    except Exception:
        return _report(args)
    finally:
        signal.alarm(0)
        for a in own:
            _close(a)


def main(new_agent, agents, seconds):
    """Tests of the program file, those with argv[2] in their names. agents
    is the list of all that are alive; whatever happens they are closed."""
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    tests = [(n, f) for n, f in vars(sys.modules["__main__"]).items()
             if n.startswith("test_") and callable(f) and pattern in n]
    signal.signal(signal.SIGALRM, _late)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    shared = []
    try:
        for name, test in tests:
            wrong = _run(test, new_agent, shared, seconds)
            passed, failed = passed + (not wrong), failed + bool(wrong)
            print(("FAIL " if wrong else "ok   ") + name, flush=True)
            if wrong:
                print(wrong, flush=True)
        try:
            for a in shared:
                a.close()
        except Exception:
            failed += 1
            print("FAIL the shared agent ends cleanly\n" + _report(shared))
    finally:
        for a in list(agents):
            _close(a)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)
