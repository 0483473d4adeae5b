/* The commands of the screen program; each returns the exit status. */
#pragma once

struct tool;

int screen_capture(const struct tool *t);
int screen_record(const struct tool *t);
