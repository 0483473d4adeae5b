/* What actions do on every screen, and what keys use of it. */
#pragma once
#include "console/view_ui.h"

void ui_act(struct ui *ui, enum action action);
void ui_screen(struct ui *ui, enum view_kind kind);
void ui_type(struct ui *ui, enum ui_prompt prompt, const char *before);
void ui_clear(struct ui *ui);
/* Has the confirm step ended by itself since the last key? */
void ui_watch_confirm(struct ui *ui);
