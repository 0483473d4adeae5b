"""A level claimed down, and a tool that is called by another name."""
import json

from bypass import rows

UNSAID = object()


@rows("level_claimed", None, {
    "read_only": ("read_only", "policy_denied side_effect_mismatch 403"),
    "local_write": ("local_write", "policy_denied side_effect_mismatch 403"),
    "not_at_all": (UNSAID, "request 400 invalid_request"),
    "null": (None, "request 400 invalid_request"),
    "in_capitals": ("EXTERNAL_PUBLISH", "request 400 invalid_request"),
    "with_a_zero_width_space": ("read_only\u200b",
                                "request 400 invalid_request"),
    "with_a_cyrillic_letter": ("read_\u043enly",
                               "request 400 invalid_request"),
    "full_width": ("\uff52ead_only", "request 400 invalid_request"),
    "with_a_combining_mark": ("read_only\u0301",
                              "request 400 invalid_request"),
    "with_a_nul": ("read_only\0external_publish",
                   "request 400 invalid_json"),
    "with_a_newline": ("read_only\nexternal_publish",
                       "request 400 invalid_request"),
    "as_a_list": (["read_only", "external_publish"],
                  "request 400 invalid_request"),
    "as_an_object": ({"level": "read_only"}, "request 400 invalid_request"),
    "as_a_number": (0, "request 400 invalid_request"),
    "as_a_boolean": (False, "request 400 invalid_request"),
    "empty": ("", "request 400 invalid_request"),
    "with_spaces_around": (" read_only ", "request 400 invalid_request"),
    "as_two_in_one": ("read_only,external_publish",
                      "request 400 invalid_request")})
def level(t, value):
    body = t.body(side_effect_level=value)
    if value is UNSAID:
        del body["side_effect_level"]
    answer = t.send(body)
    assert answer.status in (400, 403), answer


@rows("level_beside_the_claim", None, {
    "in_the_query": ("?side_effect_level=read_only",
                     "request 400 invalid_request"),
    "of_an_empty_query": ("?", "policy_denied approval_required"),
    "behind_a_fragment": ("#side_effect_level=read_only",
                          "request 404 not_found"),
    "behind_a_semicolon": (";side_effect_level=read_only",
                           "policy_denied approval_required"),
    "behind_an_encoded_question_mark": ("%3Fside_effect_level=read_only",
                                        "request 404 not_found")})
def level_in_target(t, tail):
    answer = t.send(t.body(), "/api/tools/execute" + tail)
    assert answer.status in (400, 403, 404), answer


def json_with(t, tail):
    return json.dumps(t.body())[:-1].encode() + tail


@rows("level_twice", "request 400 invalid_json", {
    "in_one_object": b',"side_effect_level":"read_only"}',
    "by_an_escaped_letter": b',"side_effect_leve\\u006c":"read_only"}',
    "by_an_escaped_slashless_key": b',"\\u0073ide_effect_level":"read_only"}',
    "in_a_second_document": b'}{"side_effect_level":"read_only"}',
    "behind_a_line_break": b'}\n{"side_effect_level":"read_only"}',
    "behind_a_comment": b'/*,"x":1*/}',
    "behind_a_trailing_comma": b',}'})
def level_twice(t, tail):
    answer = t.send(json_with(t, tail))
    assert answer.status == 400, answer


@rows("level_key", "request 400 invalid_request", {
    "in_capitals": "Side_Effect_Level", "with_a_space": "side_effect_level ",
    "with_a_dash": "side-effect-level", "in_camel_case": "sideEffectLevel",
    "with_a_cyrillic_letter": "s\u0456de_effect_level",
    "with_a_zero_width_joiner": "side_effect\u200d_level",
    "of_a_prototype": "__proto__", "of_nothing": ""})
def level_key(t, key):
    answer = t.send(t.body(**{key: "read_only"}))
    assert answer.status == 400, answer


@rows("tool_named", "request 404 not_found", {
    "with_a_space": "test.canary ", "in_capitals": "TEST.CANARY",
    "with_a_zero_width_space": "test.canary\u200b",
    "with_a_cyrillic_letter": "test.c\u0430nary",
    "by_a_prefix": "test.cana", "by_its_program": "test.canary.py",
    "by_a_path": "./test.canary.py", "as_a_shell": "/bin/sh",
    "from_another_folder": "../tools.d/test.canary",
    "with_its_arguments": "test.read test.canary",
    "by_an_internal_operation": "run.ready"})
def tool(t, name):
    answer = t.send(t.body(tool=name))
    assert answer.status == 404, answer


@rows("level_of_another_tool", "policy_denied side_effect_mismatch", {
    "that_only_reads": "test.read", "that_writes_here": "test.write"})
def other_tool(t, name):
    answer = t.ask(name, args={})
    assert answer.status == 403, answer


@rows("args_carry", "request 422 invalid_args", {
    "a_level": {"text": "a", "side_effect_level": "read_only"},
    "an_approval": {"text": "a", "approval_id": "a-0000000000000000"},
    "a_tool": {"text": "a", "tool": "test.read"},
    "a_number_as_text": {"text": 7}, "nothing": {},
    "a_list_as_text": {"text": ["a"]}, "null_as_text": {"text": None},
    "a_look_alike": {"t\u0435xt": "a"}})
def args(t, value):
    answer = t.ask(args=value)
    assert answer.status == 422, answer


@rows("asked_with", "request 400 invalid_request", {
    "approved": {"approved": True}, "force": {"force": True},
    "admin_approved": {"admin_approved": True},
    "allow_external_publish": {"allow_external_publish": True},
    "a_nonce": {"nonce": "x" * 32}, "a_digest": {"request_sha256": "0" * 64},
    "an_approval": {"approval_id": "a-0000000000000000"},
    "another_actor": {"actor": "admin"}, "a_scope": {"scope": "admin"},
    "a_mode": {"mode": "normal"},
    "a_policy": {"policy": {"external-publish": "allow"}},
    "a_run": {"run_id": "r-0000000000000000"},
    "a_state": {"state": "approved"}, "a_grace": {"grace": 0},
    "on_approval_allow": {"on_approval": "allow"},
    "on_approval_null": {"on_approval": None},
    "no_criterion": {"criterion_ref": None}, "no_task": {"task_id": None},
    "a_task_above": {"task_id": "../tasks"}, "every_task": {"task_id": "*"}})
def asked(t, members):
    answer = t.send(t.body(**members))
    assert answer.status == 400, answer
