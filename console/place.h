/* Where things are: the user's folders, and what was installed beside us. */
#pragma once
#include <stdbool.h>

enum place_kind {
	PLACE_DATA,		/* the user's, then share/kircerta */
	PLACE_PROGRAM,		/* beside this program, then libexec */
};

/* "$XDG_CONFIG_HOME/kircerta/NAME" or its default. Caller frees. */
char *place_config(const char *name);
/* "$KIRCERTA_HOME/NAME", else in the state folder. Caller frees. */
/*
 * The socket of an agent on this machine that answers, or NULL: of this
 * user's, else of the service (*service). Caller frees.
 */
char *place_socket(bool *service);
char *place_home(const char *name);
/* The first that exists, or NULL. Caller frees. */
char *place_find(const char *name, enum place_kind kind);
/* This program's own file. Caller frees. */
char *place_self(void);
