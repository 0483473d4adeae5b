/* The checkpoint that a commit of ours carries. */
#include "agent/store/ssot_mark.h"
#include "tests/unit/ssot_log.h"

#define ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define SIG "ABCDEFGHABCDEFGHABCDEFGHABCDEFGHABCDEFGHABCDEFGHABCDEFGHABCDEFGHAB" \
	"CDEFGHABCDEFGHABCDEFGHABCD"
#define NOTE(size) "agent\n" size "\n" ROOT "\n\n\xe2\x80\x94 agent " SIG "\n"

static struct record *with_note(uint64_t seq, const char *type,
				const char *note)
{
	static const uint8_t prev[SHA256_RAW];
	json_t *data = json_pack("{s:s}", "note", note);
	struct entry e = {.type = type, .data = data};
	struct record *r = record_make(&e, seq, TS + (int64_t)seq * 1000000,
				       prev, NULL);

	json_decref(data);
	return r;
}

static struct record *checkpoint(uint64_t seq, int size)
{
	char note[400];

	snprintf(note, sizeof(note), "agent\n%d\n" ROOT "\n\n\xe2\x80\x94 "
		 "agent " SIG "\n", size);
	return with_note(seq, "checkpoint", note);
}

/* Trailers from the oldest commit on, "-" where there is none. */
static const char *marks(void)
{
	return sh("git -C %s log --reverse --format='%%(trailers:"
		  "key=Audit-Checkpoint,valueonly,separator=%%x20)' main | "
		  "sed 's/^$/-/; s/ .*//' | tr '\\n' ' '", path);
}

START_TEST(a_commit_carries_the_newest_checkpoint_since_the_one_before)
{
	struct ssot *s = store_new();

	begin_again();
	put(task_record(1, "t-1", 1));
	put(checkpoint(2, 1));
	put(checkpoint(3, 2));
	put(task_record(4, "t-1", 2));
	put(task_record(5, "t-1", 3));
	put(checkpoint(6, 5));
	put(task_record(7, "t-2", 1));
	put(checkpoint(8, 7));
	go_well(s);
	ck_assert_str_eq(marks(), "- 2 - 5 ");
	ck_assert_str_eq(sh("git -C %s log -1 --format='%%(trailers:"
			    "key=Audit-Checkpoint,valueonly)' main | "
			    "sed '/^$/d'", path), "5 " ROOT " " SIG);
	replays(s);
	begin_again();
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_start_between_checkpoint_and_commit_changes_no_id)
{
	struct ssot *s = store_new();
	char tip[64];

	begin_again();
	put(task_record(1, "t-1", 1));
	put(checkpoint(2, 1));
	put(task_record(3, "t-1", 2));
	go_well(s);
	keep(tip, git_main());
	ssot_close(s);
	sh("git -C %s update-ref -d refs/heads/main", path);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_int_eq(ssot_apply(s, log_of, 2, NULL), 0);
	ssot_close(s);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_uint_eq(ssot_seq(s), 1);
	ck_assert_int_eq(ssot_apply(s, log_of + 1, 2, NULL), 0);
	ck_assert_str_eq(git_main(), tip);
	begin_again();
	store_end(s);
}
END_TEST

/* A batch that failed is given again; what was before it is not. */
START_TEST(a_failure_in_between_changes_no_id)
{
	struct ssot *s = store_new();
	char tip[64];

	begin_again();
	put(task_record(1, "t-1", 1));
	put(checkpoint(2, 1));
	put(task_record(3, "t-1", 2));
	put(checkpoint(4, 3));
	put(task_record(5, "t-1", 3));
	go_well(s);
	keep(tip, git_main());
	ssot_close(s);
	sh("git -C %s update-ref -d refs/heads/main", path);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_int_eq(ssot_apply(s, log_of, 2, NULL), 0);
	sh("touch %s/refs/heads/main.lock", path);
	ck_assert_int_ne(ssot_apply(s, log_of + 2, 3, NULL), 0);
	sh("rm %s/refs/heads/main.lock", path);
	ck_assert_int_eq(ssot_apply(s, log_of + 2, 3, NULL), 0);
	ck_assert_str_eq(marks(), "- 1 3 ");
	ck_assert_str_eq(git_main(), tip);
	begin_again();
	store_end(s);
}
END_TEST

static const struct { const char *type, *note; bool is; } notes[] = {
	{"checkpoint", NOTE("7"), true},
	{"checkpoint", NOTE("7") "\xe2\x80\x94 witness AAAA\n", true},
	{"request", NOTE("7"), false},
	{"checkpoint", "", false},
	{"checkpoint", "agent", false},
	{"checkpoint", "\n7\n" ROOT "\n\n\xe2\x80\x94  " SIG "\n", false},
	{"checkpoint", NOTE("07"), false},
	{"checkpoint", NOTE("-7"), false},
	{"checkpoint", NOTE(""), false},
	{"checkpoint", NOTE("1234567890123456789"), false},
	{"checkpoint", "agent\n7\n" ROOT "A\n\n\xe2\x80\x94 agent " SIG "\n",
		false},
	{"checkpoint", "agent\n7\n" ROOT "\nmore\n\n\xe2\x80\x94 agent " SIG
		"\n", false},
	{"checkpoint", "agent\n7\n" ROOT "\n\n\xe2\x80\x94 other " SIG "\n",
		false},
	{"checkpoint", "agent\n7\n" ROOT "\n\n\xe2\x80\x94 agent " SIG "A\n",
		false},
	{"checkpoint", "agent\n7\n" ROOT "\n\n- agent " SIG "\n", false},
	{"checkpoint", "agent\n7\n" ROOT "\n\n\xe2\x80\x94 agent " SIG, false},
};

START_TEST(only_a_note_of_the_journals_own_key_is_carried)
{
	for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
		struct record *r = with_note(3, notes[i].type, notes[i].note);
		struct ssot_mark m = {.seq = 2, .size = 1};

		ck_assert_msg(ssot_mark_read(&m, r) == notes[i].is, "%zu", i);
		ck_assert_uint_eq(m.seq, notes[i].is ? 3 : 2);
		ck_assert_uint_eq(m.size, notes[i].is ? 7 : 1);
		record_unref(r);
	}
}
END_TEST

static const struct { const char *text; bool is; } trailers[] = {
	{"7 " ROOT " " SIG, true},
	{"0 " ROOT " " SIG, false},
	{"7  " ROOT " " SIG, false},
	{"7 " ROOT " " SIG " ", false},
	{"7 " ROOT, false},
	{"7 " SIG " " ROOT, false},
	{"", false},
};

START_TEST(a_trailer_reads_back_as_it_was_written)
{
	for (size_t i = 0; i < ARRAY_LEN(trailers); i++) {
		char text[SSOT_MARK], message[400];
		struct ssot_mark m;

		snprintf(message, sizeof(message), "subject\n\nA: b\n"
			 "Audit-Checkpoint: %s\n", trailers[i].text);
		ck_assert_msg(ssot_mark_of(&m, message) == trailers[i].is,
			      "%zu", i);
		if (!trailers[i].is)
			continue;
		ssot_mark_text(&m, text);
		ck_assert_str_eq(text, trailers[i].text);
	}
}
END_TEST

TESTS("ssot_mark",
      a_commit_carries_the_newest_checkpoint_since_the_one_before,
      a_start_between_checkpoint_and_commit_changes_no_id,
      a_failure_in_between_changes_no_id,
      only_a_note_of_the_journals_own_key_is_carried,
      a_trailer_reads_back_as_it_was_written)
