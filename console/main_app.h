/* The console itself: model, views, link and screen in one loop. */
#pragma once
#include <stdbool.h>

struct settings;

/* screen: where to start, or NULL for Home. Returns the exit code. */
int app_run(struct settings *settings, const char *screen, bool readonly);
