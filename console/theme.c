/* See theme.h. */
#include "console/theme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/err.h"
#include "common/mem.h"
#include "console/place.h"

static const char *const colours[] = {
	"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
	"brightblack", "brightred", "brightgreen", "brightyellow",
	"brightblue", "brightmagenta", "brightcyan", "brightwhite",
};

static const struct { const char *word; unsigned mark; } marks[] = {
	{"bold", LOOK_BOLD}, {"dim", LOOK_DIM},
	{"underline", LOOK_UNDERLINE}, {"reverse", LOOK_REVERSE},
};

void theme_plain(struct theme *t)
{
	static const struct { enum style style; unsigned marks; } plain[] = {
		{STYLE_strong, LOOK_BOLD}, {STYLE_title, LOOK_BOLD},
		{STYLE_environment, LOOK_BOLD}, {STYLE_muted, LOOK_DIM},
		{STYLE_stale, LOOK_DIM}, {STYLE_attention, LOOK_BOLD},
		{STYLE_select, LOOK_BOLD}, {STYLE_label, LOOK_BOLD},
		{STYLE_danger, LOOK_BOLD | LOOK_UNDERLINE},
		{STYLE_input, LOOK_UNDERLINE},
	};

	for (int d = 0; d < DEPTHS; d++)
		for (int s = 0; s < STYLE_count; s++)
			t->looks[d][s] = (struct look){-1, -1, 0};
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		for (int d = 0; d < DEPTHS; d++)
			t->looks[d][plain[i].style].marks = plain[i].marks;
}

static int level_of(int part)
{
	return part < 48 ? 0 : part < 115 ? 1 : (part - 35) / 40;
}

/* "#rrggbb" as the nearest of the 6x6x6 cube. */
static int nearest(unsigned rgb)
{
	return 16 + 36 * level_of(rgb >> 16 & 255) +
	       6 * level_of(rgb >> 8 & 255) + level_of(rgb & 255);
}

/* -1 default, 0..255, or -2 for a word that is no colour. */
static int colour_of(const char *word)
{
	unsigned n;
	int end = 0;

	if (!strcasecmp(word, "default"))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(colours); i++)
		if (!strcasecmp(word, colours[i]))
			return (int)i;
	if (sscanf(word, "#%6x%n", &n, &end) == 1 && end == 7 && !word[7])
		return nearest(n);
	if (sscanf(word, "%3u%n", &n, &end) == 1 && !word[end] && n < 256)
		return (int)n;
	return -2;
}

static unsigned mark_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (!strcasecmp(word, marks[i].word))
			return marks[i].mark;
	return 0;
}

/* "203 on default bold"; the word that is not understood, or NULL. */
static const char *look_parse(char *text, struct look *out)
{
	bool back = false;
	char *save = NULL;

	*out = (struct look){-1, -1, 0};
	for (char *w = strtok_r(text, " \t", &save); w;
	     w = strtok_r(NULL, " \t", &save)) {
		int colour = colour_of(w);

		if (!strcasecmp(w, "on"))
			back = true;
		else if (mark_of(w))
			out->marks |= mark_of(w);
		else if (colour == -2)
			return w;
		else if (back)
			out->bg = (int16_t)colour;
		else
			out->fg = (int16_t)colour;
	}
	return NULL;
}

static int each(const struct conf_entry *e, void *data, struct err *err)
{
	static const struct { const char *key; enum depth depth; } keys[] = {
		{"color", DEPTH_FULL}, {"color16", DEPTH_FEW},
		{"mono", DEPTH_MONO},
	};
	struct theme *t = data;
	enum style style = e->sub ? style_find(e->sub) : STYLE_count;

	if (!strcmp(e->section, "theme") && !e->sub && !strcmp(e->key, "name"))
		return 0;
	if (strcmp(e->section, "style") || style == STYLE_count)
		return conf_error(e, err, "there is no such role");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(e->key, keys[i].key)) {
			char *text = xstrdup(e->value);
			const char *bad = look_parse(
				text, &t->looks[keys[i].depth][style]);
			int rc = bad ? conf_error(e, err, "\"%s\" is neither "
						  "a colour nor a mark", bad) :
				       0;

			free(text);
			return rc;
		}
	return conf_error(e, err, "unknown key; color, color16 or mono");
}

int theme_read(struct theme *t, const char *path, struct err *err)
{
	theme_plain(t);
	return conf_read(path, each, t, err);
}

char *theme_path(const char *name, struct err *err)
{
	char *file, *path;

	if (strchr(name, '/'))
		return xstrdup(name);
	file = xasprintf("themes/%s.theme", name);
	path = place_find(file, PLACE_DATA);
	if (!path)
		err_set(err, ERR_bad_config, "there is no theme \"%s\": no %s "
			"in ~/.config/kircerta, %s/share/kircerta or beside "
			"this program", name, file, KIRCERTA_PREFIX);
	free(file);
	return path;
}
