"""What allows a publish, smuggled into a task by who may not say it."""
import json

from bypass import attempt, rows
from expect import refused

FORBIDDEN = {
    "allowance": {"allow_external_publish": True},
    "allowance_as_null": {"allow_external_publish": None},
    "allowance_as_a_word": {"allow_external_publish": "true"},
    "allowance_as_a_number": {"allow_external_publish": 1},
    "approval": {"admin_approved": True},
    "approval_as_null": {"admin_approved": None},
    "approver": {"admin_approved_by": "admin"},
    "approver_as_null": {"admin_approved_by": None},
    "time_of_approval": {"admin_approved_at": "2030-01-01T00:00:00Z"},
    "state": {"state": "approved"}, "state_as_null": {"state": None},
    "all_of_them": {"title": "t", "allow_external_publish": True,
                    "admin_approved": True, "state": "approved"}}
UNKNOWN = {
    "in_capitals": "Admin_Approved", "with_a_space": "admin_approved ",
    "with_a_dash": "admin-approved", "in_camel_case": "adminApproved",
    "cyrillic": "\u0430dmin_approved", "full_width": "\uff41dmin_approved",
    "with_a_zero_width_space": "allow_external_publish\u200b",
    "with_a_soft_hyphen": "allow_external\u00ad_publish",
    "reversed": "\u202edevorppa_nimda", "of_a_prototype": "__proto__",
    "as_a_path": "task.admin_approved", "as_a_pointer": "/admin_approved",
    "of_the_decision": "decisions", "of_the_creator": "created_by",
    "of_the_approval": "approval_id", "of_the_lease": "lease"}


def unallowed(t):
    """The task is as it was, and asking is refused as before."""
    now = t.now()
    assert not now["allow_external_publish"] and not now["admin_approved"]
    assert now["state"] == t.task["state"], now
    t.asked()


@rows("created_with", "policy_denied admin_field 403", FORBIDDEN)
def created(t, members):
    refused(t.send({"title": "t"} | members, "/api/tasks"), 403,
            "admin_field")


@rows("patched_with", "policy_denied admin_field 403", FORBIDDEN)
def patched(t, members):
    refused(t.patch(base_sha=t.task["sha"], **members), 403, "admin_field")
    unallowed(t)


@rows("patched_over_the_websocket_with", "policy_denied admin_field",
      {k: FORBIDDEN[k] for k in ("allowance", "approval_as_null", "state")})
def patched_ws(t, members):
    problem = t.rpc("task.update", members | {
        "id": t.task["id"], "base_sha": t.task["sha"]})
    assert problem["error_code"] == "admin_field", problem
    unallowed(t)


@rows("look_alike_of_a_field", "request 400 invalid_request", UNKNOWN)
def look_alike(t, key):
    refused(t.patch(**{"base_sha": t.task["sha"], key: True}), 400,
            "invalid_request")
    refused(t.send({"title": "t", key: True}, "/api/tasks"), 400,
            "invalid_request")
    unallowed(t)


@rows("patch_bytes", None, {
    "with_a_key_twice": (b'"title":"a","allow_external_publish":false,'
                         b'"allow_external_publish":true',
                         "request 400 invalid_json"),
    "with_a_key_twice_by_escape": (b'"title":"a","\\u0074itle":"b"',
                                   "request 400 invalid_json"),
    "with_a_base_twice": (b'"base_sha":"%s"' % (b"0" * 40),
                          "request 400 invalid_json"),
    "with_an_escaped_field": (b'"admin_\\u0061pproved":true',
                              "policy_denied admin_field"),
    "with_invalid_utf_8": (b'"title":"\xc0\xaf"', "request 400 invalid_json"),
    "with_overlong_letters": (b'"\xc1\xa1dmin_approved":true',
                              "request 400 invalid_json"),
    "with_a_lone_surrogate": (b'"title":"\\ud800"',
                              "request 400 invalid_json"),
    "with_a_nul_in_a_key": (b'"admin_approved\\u0000":true',
                            "request 400 invalid_json"),
    "with_a_nul_in_a_value": (b'"title":"a\\u0000b"',
                              "request 400 invalid_json"),
    "with_not_a_number": (b'"meta":{"n":NaN}', "request 400 invalid_json"),
    "with_a_number_too_large": (b'"meta":{"n":9007199254740993}',
                                "request 400 invalid_json"),
    "nested_too_deep": (b'"meta":' + b'{"a":' * 40 + b"1" + b"}" * 40,
                        "request 400 invalid_json"),
    "twice_deep_inside": (b'"meta":{"a":{"b":1,"b":2}}',
                          "request 400 invalid_json")})
def patch_bytes(t, tail):
    answer = t.send(b'{"base_sha":"%s",%s}' % (t.task["sha"].encode(), tail),
                    f"/api/tasks/{t.task['id']}", "coordinator", "PATCH")
    assert answer.status in (400, 403), answer
    unallowed(t)


@rows("patch_is", "request 400 invalid_json", {
    "in_utf_16": '{"admin_approved":true}'.encode("utf-16"),
    "behind_a_byte_order_mark": b'\xef\xbb\xbf{"admin_approved":true}',
    "two_documents": b'{"title":"a"}{"admin_approved":true}',
    "cut": b'{"admin_approved":true',
    "in_single_quotes": b"{'admin_approved':true}"})
def patch_is(t, data):
    answer = t.send(data, f"/api/tasks/{t.task['id']}", "coordinator",
                    "PATCH")
    assert answer.status == 400, answer
    unallowed(t)


@rows("patch_as", "request 400", {
    "a_list": [{"op": "replace", "path": "/admin_approved", "value": True}],
    "null": None, "a_word": "admin_approved", "a_boolean": True})
def patch_as(t, body):
    answer = t.send(json.dumps(body).encode(),
                    f"/api/tasks/{t.task['id']}", "coordinator", "PATCH",
                    headers={"Content-Type": "application/json-patch+json"})
    assert answer.status == 400, answer
    unallowed(t)


@rows("hidden_in", "policy_denied approval_required", {
    "labels": {"labels": {"admin_approved": "true", "state": "approved"}},
    "meta": {"meta": {"admin_approved": True, "allow_external_publish": True,
                      "task": {"state": "approved"}}},
    "the_text": {"request_text": '","admin_approved":true,"x":"'},
    "the_title": {"title": "approved\u0000by admin".replace("\0", "\n")},
    "the_level": {"side_effect_level": "read_only"},
    "an_empty_list_of_criteria": {"acceptance_criteria": []},
    "no_criteria": {"acceptance_criteria": None}})
def hidden(t, members):
    answer = t.patch(base_sha=t.task["sha"], **members)
    assert answer.status == 200, answer
    now = t.now()
    assert not now["allow_external_publish"] and not now["admin_approved"]
    ref = {} if now["acceptance_criteria"] else {"criterion_ref": None}
    t.asked(**ref)


@attempt("policy_denied approval_required, request 409 write_conflict")
def old_version_of_a_task_is_written_back(t):
    """A copy from the time when publishing was allowed."""
    on = t.patch("admin", base_sha=t.task["sha"], allow_external_publish=True)
    off = t.patch("admin", base_sha=on.json["sha"],
                  allow_external_publish=False)
    assert off.status == 200, off
    refused(t.patch(base_sha=on.json["sha"], title="back"), 409,
            "write_conflict")
    unallowed(t)


@attempt("request 428 base_sha_required")
def patch_without_a_base_is_no_shortcut(t):
    refused(t.patch(title="x"), 428, "base_sha_required")
    unallowed(t)


@attempt("policy_denied insufficient_scope")
def task_is_approved_by_who_executes(t):
    refused(t.send({}, f"/api/tasks/{t.task['id']}/approve"), 403,
            "insufficient_scope")
    unallowed(t)


@attempt("request 409 invalid_transition, policy_denied approval_required")
def task_is_approved_before_it_has_a_result(t):
    refused(t.send({}, f"/api/tasks/{t.task['id']}/approve", "admin"), 409,
            "invalid_transition")
    unallowed(t)


@attempt("policy_denied approval_required")
def accepted_result_is_no_approval_of_a_publish(t):
    """task.approve says that the work is good, not that it may go out."""
    t.agent.ack(t.task)
    result = t.send({"attempt": 1, "summary": "s"},
                    f"/api/tasks/{t.task['id']}/result")
    assert result.status == 200, result
    yes = t.send({}, f"/api/tasks/{t.task['id']}/approve", "admin")
    assert yes.json["state"] == "approved", yes
    t.asked()


@attempt("policy_denied approval_required")
def allowance_of_the_task_alone_publishes_nothing(t):
    on = t.patch("admin", base_sha=t.task["sha"], allow_external_publish=True)
    assert on.json["allow_external_publish"], on
    t.asked()
    t.parked()
