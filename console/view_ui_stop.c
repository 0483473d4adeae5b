/* See view_ui_stop.h. */
#include "console/view_ui_stop.h"

#include <string.h>

#include "common/json.h"
#include "console/view_ui.h"
#include "console/view_ui_act.h"

#define WORD "stop"
#define WHY "stopped in the console"

static bool may(struct ui *ui)
{
	if (model_may_decide(ui->m))
		return true;
	ui_note(ui, ui->m->link != LINK_LIVE ?
		"not connected: nothing can be sent" :
		"only an admin can change the mode");
	return false;
}

void stop_ask(struct ui *ui)
{
	if (may(ui))
		ui_type(ui, strcmp(ui->m->mode, "stopped") ? PROMPT_STOP :
			PROMPT_LEAVE, NULL);
}

static void send(struct ui *ui, const char *mode, const char *why)
{
	json_t *params = json_object();

	json_set_str(params, "mode", mode);
	json_set_str(params, "reason", why);
	model_decide(ui->m, ASK_mode, NULL, params);
}

void stop_given(struct ui *ui, const char *text)
{
	if (strcmp(text, WORD))
		ui_note(ui, "that was not \"" WORD "\": nothing was sent");
	else if (may(ui))
		send(ui, "stopped", WHY);
}

/* "normal it was a false alarm"; what lacks a part stays on the line. */
void leave_given(struct ui *ui, const char *text)
{
	static const char *const modes[] = {"normal", "guarded"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		size_t len = strlen(modes[i]);
		const char *why = text + len;

		if (strncmp(text, modes[i], len) || *why != ' ' ||
		    !why[strspn(why, " ")])
			continue;
		if (may(ui))
			send(ui, modes[i], why + strspn(why, " "));
		return;
	}
	ui_type(ui, PROMPT_LEAVE, text);
	ui_note(ui, "not sent: normal or guarded, and a reason  (Esc leaves)");
}
