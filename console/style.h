/* Semantic styles: views name a role, only a theme knows colours. */
#pragma once

enum style {
#define STYLE(role, help) STYLE_##role,
#include "console/style.def"
#undef STYLE
	STYLE_count
};

/* "danger"; style_find gives STYLE_count for a name that is none. */
const char *style_name(enum style style);
enum style style_find(const char *name);
