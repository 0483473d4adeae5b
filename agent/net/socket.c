/* See socket.h. tcp(7); <netinet/tcp.h> has an older struct tcp_info. */
#include "agent/net/socket.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {	/* include/net/tcp_states.h */
	ESTABLISHED = 1, CLOSED = 7, CLOSE_WAIT = 8, LAST_ACK = 9,
	CLOSING = 11,
};

bool socket_traffic(int fd, struct traffic *t)
{
	struct tcp_info i;
	socklen_t len = sizeof(i);
	int unread = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) ||
	    len < offsetof(struct tcp_info, tcpi_data_segs_out) ||
	    ioctl(fd, SIOCINQ, &unread))
		return false;
	t->received = i.tcpi_bytes_received;
	t->unread = (uint64_t)unread;
	t->segments = i.tcpi_data_segs_in;
	t->fin = i.tcpi_state == CLOSE_WAIT || i.tcpi_state == LAST_ACK ||
		 i.tcpi_state == CLOSING;
	t->reset = i.tcpi_state == CLOSED;
	t->open = i.tcpi_state == ESTABLISHED;
	return true;
}
