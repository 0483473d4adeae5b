/* Tell the service manager, where there is one, how we are. */
#pragma once

/* "READY=1" or the like to $NOTIFY_SOCKET, as sd_notify(3) does it. */
void ready_tell(const char *state);
