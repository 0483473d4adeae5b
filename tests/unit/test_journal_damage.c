/* The journal attacked: what is noticed, what is repaired, what is told. */
#include "tests/unit/journals.h"

static const struct journal_options alone = {.alone = true};

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
		ck_assert_int_eq(journal_open(&j, p.dir, &alone, &repair, NULL), 0);
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
		ck_assert_int_eq(journal_open(&j, p.dir, &alone, &repair, NULL), 0);
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
		ck_assert_int_eq(journal_open(&j, p.dir, &alone, &repair, &err), -1);
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
	ck_assert_int_eq(journal_open(&j, p.dir, &alone, &repair, &err), -1);
	unlink(p.file);
	fill(&p, 1);
	snprintf(path, sizeof(path), "%s/00000000000000000003.jsonl", p.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(journal_open(&j, p.dir, &alone, &repair, &err), -1);
	ck_assert_msg(strstr(err.detail, path) != NULL, "%s", err.detail);
	fs_remove_tree(p.dir);
}
END_TEST

/* The file as tail and fill follow its first end bytes. */
static void lay(const struct place *p, const char *text, size_t end,
		const char *tail, size_t n, char fill)
{
	struct buf b = {0};

	buf_add(&b, text, end);
	buf_add(&b, tail, n);
	memset(buf_room(&b, 9000), fill, 9000);
	b.len += fill == 'x' ? 0 : 9000;
	spill(p, b.data, b.len);
	buf_fini(&b);
}

START_TEST(a_line_that_breaks_off_is_repaired_whatever_is_behind_it)
{
	static const char fills[] = {'x', '\n', 0};	/* x: nothing is */
	struct place p = place_new();
	size_t len, from, cases = 0;
	struct journal *numbers;
	char *text;

	fill(&p, 5);
	numbers = open_ok(&p);
	append(numbers, "tool_progress", json_pack("{s:f,s:f,s:[f,f,i,b,n]}",
		"progress", 0.25, "small", -1.5e-7, "list", 1e300, -0.0, -12,
		1));
	commit(numbers);
	journal_close(numbers);
	text = slurp(&p, &len);
	from = (size_t)(strstr(text, "{\"seq\":6,") - text);
	for (size_t i = 0; i < sizeof(fills); i++)
		for (size_t cut = from + 1; cut < len; cut++) {
			struct journal_repair repair;
			struct journal *j = NULL;
			struct err err = {0};
			size_t n = cut - from, torn;

			/* A whole one that fill follows is no torn one. */
			if (cut == len - 1 && fills[i] == '\n')
				continue;
			torn = fills[i] ? n : n + 9000;
			lay(&p, text, from, text + from, n, fills[i]);
			if (text[cut - 1] == '}' && fills[i] == '\n' &&
			    cut % 512) {	/* it could be a whole one */
				ck_assert_int_eq(journal_open(&j, p.dir, &alone,
						&repair, NULL), -1);
				continue;
			}
			ck_assert_msg(!journal_open(&j, p.dir, &alone, &repair,
						    &err), "%zu of %zu: %s",
				      n, len - from, err.detail);
			ck_assert(repair.done && repair.off == from);
			ck_assert_uint_eq(repair.len, torn);
			ck_assert_int_eq(journal_head(j).seq, 5);
			journal_close(j);
			ck_assert(verify(&p).ok);
			cases++;
		}
	printf("      %zu torn ends repaired\n", cases);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(no_flipped_bit_of_the_last_record_gets_it_overwritten)
{
	struct place p = place_new();
	size_t len, from, cases = 0, kept = 0;
	char *text;

	fill(&p, 6);
	text = slurp(&p, &len);
	from = (size_t)(strstr(text, "{\"seq\":6,") - text);
	for (size_t bit = from * 8; bit < len * 8; bit++) {
		struct journal_repair repair;
		struct journal *j = NULL;

		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		lay(&p, text, len, "", 0, '\n');
		/* Another text of the same shape: only the hash tells. */
		if (!journal_open(&j, p.dir, &alone, &repair, NULL)) {
			ck_assert_msg(!repair.done &&
				      journal_head(j).seq == 6,
				      "bit %zu", bit - from * 8);
			kept++;
		}
		journal_close(j);
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		cases++;
	}
	printf("      %zu bits flipped, %zu refused, none overwritten\n",
	       cases, cases - kept);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

/* Of a batch that was not synced any sectors may be there. */
START_TEST(any_sectors_of_the_last_batch_may_be_lost)
{
	struct place p = place_new();
	unsigned cases = 0, seed = 7;
	size_t len, from, keep;
	char *text, *mixed;

	fill(&p, 40);
	text = slurp(&p, &len);
	from = (size_t)(strstr(text, "{\"seq\":21,") - text);
	mixed = xmalloc(len);
	for (int round = 0; round < 300; round++) {
		struct journal_repair repair;
		struct journal *j = NULL;
		struct err err = {0};

		memcpy(mixed, text, len);
		for (size_t at = 0; at < len; at += 512) {
			const size_t a = at < from ? from : at;
			const size_t b = at + 512 < len ? at + 512 : len;

			if (a < b && rand_r(&seed) % 3 == 0)
				memset(mixed + a, '\n', b - a);
		}
		lay(&p, mixed, len, "", 0, '\n');
		ck_assert_msg(!journal_open(&j, p.dir, &alone, &repair, &err),
			      "round %d: %s", round, err.detail);
		keep = journal_head(j).seq;
		ck_assert(keep >= 20 && keep <= 40);
		ck_assert_int_eq(repair.done, keep < 40 && repair.len);
		journal_close(j);
		ck_assert(verify(&p).ok && verify(&p).records == keep);
		cases += repair.done;
	}
	printf("      %u of 300 batches with sectors lost repaired\n", cases);
	ck_assert_uint_gt(cases, 100);
	/* But not where no sector begins: then somebody did that. */
	for (size_t cut = from; cut < from + 700; cut += 7) {
		struct journal_repair repair;
		struct journal *j = NULL;

		memcpy(mixed, text, len);
		memset(mixed + from, '\n', cut + 300 - from);
		if ((cut + 300) % 512 < 2)
			continue;
		lay(&p, mixed, len, "", 0, '\n');
		ck_assert_int_eq(journal_open(&j, p.dir, &alone, &repair, NULL),
				 -1);
	}
	free(mixed);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal damage",
      a_line_that_breaks_off_is_repaired_whatever_is_behind_it,
      no_flipped_bit_of_the_last_record_gets_it_overwritten,
      any_sectors_of_the_last_batch_may_be_lost,
      every_flipped_bit_is_noticed,
      moved_missing_and_doubled_lines_are_told_apart,
      an_edited_record_is_named,
      only_a_torn_last_line_is_cut_and_told,
      what_a_power_cut_leaves_as_nuls_is_cut_too,
      any_other_damage_at_the_end_is_refused_and_left_alone,
      a_file_that_is_not_ours_is_refused)
