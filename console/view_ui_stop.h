/* The emergency stop, and the way out of it: typed out, never pasted. */
#pragma once

struct ui;

/* Ask for the word that stops; while it is stopped, for the way out. */
void stop_ask(struct ui *ui);
/* What was typed at PROMPT_STOP and PROMPT_LEAVE. */
void stop_given(struct ui *ui, const char *text);
void leave_given(struct ui *ui, const char *text);
