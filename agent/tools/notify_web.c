/* The HTTP that the talking tools share, built into this one. */
#include "agent/tools/web.c"
