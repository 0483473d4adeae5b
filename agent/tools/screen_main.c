/* screen capture | screen record: what an X11 display shows, as evidence. */
#include <stdio.h>
#include <string.h>

#include "agent/tools/screen.h"
#include "agent/tools/tool.h"

static const struct {
	const char *name;
	int (*run)(const struct tool *t);
} commands[] = {
	{"capture", screen_capture},
	{"record", screen_record},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc == 2 && !strcmp(argv[1], commands[i].name)) {
			struct tool *t = tool_open();
			int rc = commands[i].run(t);

			tool_free(t);
			return rc;
		}
	fprintf(stderr, "usage: screen capture|record < request.json\n");
	return 2;
}
