"""Steps of an attempt, over either transport."""
import kc


def url(task, step=""):
    return f"/api/tasks/{task['id']}" + (f"/{step}" if step else "")


def over_http(agent, task, step, by, **body):
    """(status, answer) of one step."""
    answer = agent.post(url(task, step), body, by=by)
    return answer.status, answer.json


def over_ws(agent, task, step, by, **body):
    with agent.ws(by) as ws:
        ws.note("hello")
        try:
            return 200, ws.call("task." + step, id=task["id"], **body)
        except kc.RpcError as e:
            return e.problem["status"], e.problem


TRANSPORTS = (over_http, over_ws)


def no(agent, task, step, status, code, by="codex", **body):
    """Refused, alike over both transports, and nothing has changed; the
    problem."""
    before, answers = agent.get(url(task)).json, []
    for send in TRANSPORTS:
        got, problem = send(agent, task, step, by, **body)
        assert (got, problem["error_code"]) == (status, code), (body, problem)
        assert problem["remediation_hint"] and problem["detail"], problem
        answers.append({k: v for k, v in problem.items()
                        if k != "correlation_id"})
    assert answers[0] == answers[1], answers
    assert agent.get(url(task)).json == before
    return problem


def yes(agent, task, step, by="codex", **body):
    answer = agent.post(url(task, step), body, by=by)
    assert answer.status == 200, answer
    return answer.json


def reported(agent, by="codex", log=("looked", "did"), claims=(), **task):
    """A task in review: taken and reported on."""
    task = agent.ack(agent.task(**task), by=by)
    return yes(agent, task, "result", by, attempt=1, summary="done",
               work_log=list(log), criteria=list(claims))


def echo(task, **more):
    return {"attempt": task["attempt"], "echoed_acceptance_criteria":
            task["acceptance_criteria"]} | more
