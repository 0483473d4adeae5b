/* What the loop (main_app.c) and what it does for the views share. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "console/frame.h"
#include "console/link.h"
#include "console/model.h"
#include "console/screen.h"
#include "console/settings.h"
#include "console/view_ui.h"

struct app {
	struct settings *settings;
	struct link_to to;
	struct model *m;
	struct ui *ui;
	struct link *link;
	struct screen *screen;
	struct frame frame;
	bool dirty, urgent, done;
	int exit_code;
	int64_t painted_us, rung_us;
};

void app_now(struct app *a);	/* tell the model the time; something changed */
void app_grant(struct app *a);	/* do what the keys asked for */
