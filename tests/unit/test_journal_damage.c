/* The journal attacked: what is noticed, what is repaired, what is told. */
#include "tests/unit/journals.h"

START_TEST(every_flipped_bit_is_noticed)
{
	struct place p = place_new();
	struct journal_report good, now;
	size_t len, last;
	char *text;
	int fd;

	fill(&p, 20);
	good = verify(&p);
	text = slurp(&p, &len);
	last = (size_t)((char *)memrchr(text, '\n', len - 1) + 1 - text);
	fd = open(p.file, O_WRONLY);
	for (size_t bit = 0; bit < len * 8; bit++) {
		char c = (char)(text[bit / 8] ^ 1 << bit % 8);
		off_t at = (off_t)(bit / 8);

		ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
		now = verify(&p);
		/* The last record is vouched for by the head kept elsewhere. */
		ck_assert_msg(!now.ok || (bit / 8 >= last &&
			      memcmp(now.head, good.head, SHA256_RAW)),
			      "bit %zu", bit);
		ck_assert_msg(now.ok || (now.bad_seq && *now.what),
			      "bit %zu", bit);
		ck_assert_int_eq(pwrite(fd, &text[bit / 8], 1, at), 1);
	}
	ck_assert(verify(&p).ok);
	printf("      %zu bits of %d records flipped, all noticed\n", len * 8,
	       20);
	close(fd);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

/* Put the lines of text into the file in the order that digits name. */
static void arrange(const struct place *p, const char *text, const char *order)
{
	struct buf b = {0};

	for (; *order; order++) {
		const char *line = text, *lf;

		for (int i = '1'; i < *order; i++)
			line = strchr(line, '\n') + 1;
		lf = strchr(line, '\n');
		buf_add(&b, line, (size_t)(lf + 1 - line));
	}
	spill(p, b.data, b.len);
	buf_fini(&b);
}

START_TEST(moved_missing_and_doubled_lines_are_told_apart)
{
	static const struct {
		const char *order;
		unsigned seq, line;
		const char *says;
	} cases[] = {
		{"1234567", 0, 0, ""},
		{"134567", 2, 2, "missing: record 2"},
		{"14567", 2, 2, "missing: records 2 to 3"},
		{"234567", 1, 1, "missing: record 1"},
		{"1324567", 2, 2, "reordered: record 2 stands in line 3"},
		{"1342567", 2, 2, "reordered: record 2 stands in line 4"},
		{"1256347", 3, 3, "reordered: record 3"},
		{"2134567", 1, 1, "reordered: record 1"},
		{"12234567", 2, 3, "inserted: a second record 2"},
		{"12345267", 2, 6, "inserted: a second record 2"},
		{"12534567", 3, 3, "inserted: a record 5"},
	};
	struct place p = place_new();
	char *text;
	size_t len;

	fill(&p, 7);
	text = slurp(&p, &len);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct journal_report now;

		arrange(&p, text, cases[i].order);
		now = verify(&p);
		ck_assert_msg(now.ok == (i == 0) &&
			      !strncmp(now.what, cases[i].says,
				       strlen(cases[i].says)),
			      "%s: %s", cases[i].order, now.what);
		ck_assert_int_eq(now.bad_seq, cases[i].seq);
		ck_assert_int_eq(now.bad_line, cases[i].line);
	}
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(an_edited_record_is_named)
{
	static const struct {
		const char *from, *to;
		unsigned seq;
		const char *says;
	} cases[] = {
		{"\"n\":3", "\"n\":4", 3, "edited: record 4 names another"},
		{"\"n\":5", "\"n\":6", 5, "edited: record 5, or the link"},
		{"\"n\":3,", "\"n\":,", 3, "not a record: line 3"},
		{"\"seq\":3", "\"seq\":4", 3, "missing: record 3"},
		{"\"prev\":\"0", "\"prev\":\"1", 1, "edited: "},
	};
	struct place p = place_new();
	struct journal_report now;
	char *text, *at, *link;
	size_t len;

	fill(&p, 6);
	text = slurp(&p, &len);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = {0};

		at = strstr(text, cases[i].from);
		ck_assert_ptr_nonnull(at);
		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, cases[i].to);
		buf_adds(&b, at + strlen(cases[i].from));
		spill(&p, b.data, b.len);
		buf_fini(&b);
		now = verify(&p);
		ck_assert_msg(!now.ok && now.bad_seq == cases[i].seq &&
			      !strncmp(now.what, cases[i].says,
				       strlen(cases[i].says)),
			      "%zu: %u %s", i, (unsigned)now.bad_seq,
			      now.what);
	}
	at = strstr(text, "\"seq\":4,");
	link = strstr(at, "\"prev\":\"") + 8;
	*link = *link == '0' ? '1' : '0';
	spill(&p, text, len);
	now = verify(&p);
	ck_assert_msg(now.bad_seq == 4 && strstr(now.what, "edited: neither"),
		      "%s", now.what);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(only_a_torn_last_line_is_cut_and_told)
{
	struct place p = place_new();
	char *text, hex[SHA256_HEX];
	size_t len, from;

	fill(&p, 7);
	text = slurp(&p, &len);
	from = (size_t)(strstr(text, "{\"seq\":5,") - text);
	for (size_t cut = len; cut-- > from;) {
		struct journal_repair repair;
		struct journal *j = NULL;
		size_t end, after;
		bool torn = text[cut - 1] != '\n';

		for (end = cut; end && text[end - 1] != '\n'; end--)
			;
		spill(&p, text, cut);
		ck_assert_int_eq(verify(&p).ok, !torn);
		ck_assert_int_eq(journal_open(&j, p.dir, NULL, &repair, NULL), 0);
		ck_assert_int_eq(repair.done, torn);
		ck_assert_int_eq(journal_head(j).off, end);
		if (torn) {
			sha256_hex(text + end, cut - end, hex);
			ck_assert_int_eq(repair.off, end);
			ck_assert_int_eq(repair.len, cut - end);
			ck_assert_str_eq(repair.sha256, hex);
		}
		append(j, "log_repaired", NULL);
		commit(j);
		after = journal_head(j).off;
		journal_close(j);
		ck_assert(verify(&p).ok && verify(&p).bytes == after);
	}
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(what_a_power_cut_leaves_as_nuls_is_cut_too)
{
	static const struct { const char *tail; size_t nuls; } cases[] = {
		{"", 1}, {"", 700000}, {"{\"seq\":4,\"ts", 4096},
	};
	struct place p = place_new();

	fill(&p, 3);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct journal_repair repair;
		struct journal *j = NULL;
		struct buf b = {0};
		size_t len, whole;
		char *text = slurp(&p, &len);

		buf_add(&b, text, len);
		whole = b.len;
		buf_adds(&b, cases[i].tail);
		memset(buf_room(&b, cases[i].nuls), 0, cases[i].nuls);
		b.len += cases[i].nuls;
		spill(&p, b.data, b.len);
		ck_assert_int_eq(journal_open(&j, p.dir, NULL, &repair, NULL), 0);
		ck_assert(repair.done && repair.off == whole);
		ck_assert_int_eq(repair.len, b.len - whole);
		ck_assert_int_eq(journal_head(j).seq, 3);
		journal_close(j);
		buf_fini(&b);
		free(text);
	}
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(any_other_damage_at_the_end_is_refused_and_left_alone)
{
	static const struct { const char *from, *to, *says; } cases[] = {
		{"\"seq\":6", "\"seq\":7", "record 6"},
		{"\"n\":5", "\"n\":7", "record 6"},
		{"\"actor\"", "\"actress\"", "record 1 "},
		{"\n", " ", "record 1 "},
	};
	struct place p = place_new();
	char *text, *other, *at;
	size_t len, now;

	fill(&p, 6);
	text = slurp(&p, &len);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct journal_repair repair;
		struct journal *j = NULL;
		struct err err = {0};
		struct buf b = {0};

		at = strstr(text, cases[i].from);
		buf_add(&b, text, (size_t)(at - text));
		buf_adds(&b, cases[i].to);
		buf_adds(&b, at + strlen(cases[i].from));
		buf_adds(&b, "{\"seq\"");	/* a torn tail beside it */
		spill(&p, b.data, b.len);
		ck_assert_int_eq(journal_open(&j, p.dir, NULL, &repair, &err), -1);
		ck_assert_int_eq(err.code, ERR_audit_unavailable);
		ck_assert_msg(strstr(err.detail, cases[i].says) != NULL,
			      "%zu: %s", i, err.detail);
		ck_assert(!repair.done && *err.hint);
		other = slurp(&p, &now);
		ck_assert(now == b.len && !memcmp(other, b.data, now));
		free(other);
		buf_fini(&b);
	}
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_file_that_is_not_ours_is_refused)
{
	struct place p = place_new();
	struct journal_repair repair;
	struct journal *j = NULL;
	struct err err = {0};
	char *noise = xmalloc(300000), path[160];

	memset(noise, 'x', 300000);
	spill(&p, noise, 300000);
	free(noise);
	ck_assert_int_eq(journal_open(&j, p.dir, NULL, &repair, &err), -1);
	unlink(p.file);
	fill(&p, 1);
	snprintf(path, sizeof(path), "%s/00000000000000000003.jsonl", p.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(journal_open(&j, p.dir, NULL, &repair, &err), -1);
	ck_assert_msg(strstr(err.detail, path) != NULL, "%s", err.detail);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal damage",
      every_flipped_bit_is_noticed,
      moved_missing_and_doubled_lines_are_told_apart,
      an_edited_record_is_named,
      only_a_torn_last_line_is_cut_and_told,
      what_a_power_cut_leaves_as_nuls_is_cut_too,
      any_other_damage_at_the_end_is_refused_and_left_alone,
      a_file_that_is_not_ours_is_refused)
