/* See listen.h. */
#include "agent/net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/server.h"
#include "common/err.h"

#define TURN 16			/* connections taken in one of the loop */

static void cannot_listen(const struct net *n, struct err *err)
{
	err_sys(err, ERR_io, "cannot listen on %s:%d", n->host, n->port);
	if (errno == EADDRINUSE)
		err_hint(err, "Something else listens there: stop it, or "
			 "choose another port with --listen or agent.listen.");
	else if (errno == EADDRNOTAVAIL)
		err_hint(err, "This machine does not have that address; "
			 "correct --listen or agent.listen.");
	else if (errno == EACCES)
		err_hint(err, "Ports below 1024 need privileges; choose "
			 "another with --listen or agent.listen.");
}

int listen_open(struct net *n, struct err *err)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)n->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0), one = 1;
	socklen_t len = sizeof(at);

	n->listen_fd = fd;
	inet_pton(AF_INET, n->host, &at.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&at, &len)) {
		cannot_listen(n, err);
		close(fd);
		return -1;
	}
	n->port = ntohs(at.sin_port);
	uv_poll_init(&n->loop, &n->listen, fd);
	n->listen.data = n;
	n->listens = true;
	return 0;
}

/* false: there is none, or no room for one. */
static bool take_one(struct net *n)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int fd, one = 1;

	if (n->n_peers < n->peers_max)
		fd = accept4(n->listen_fd, (struct sockaddr *)&from, &len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	else
		fd = -1;
	if (fd < 0) {
		if (n->n_peers >= n->peers_max || errno == EMFILE ||
		    errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			uv_poll_stop(&n->listen);
		return false;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	n->accepted = from.sin_addr.s_addr;
	lws_adopt_socket_vhost(n->vhost, fd);	/* closes it if it fails */
	return true;
}

static void on_connections(uv_poll_t *h, int status, int events)
{
	struct net *n = h->data;

	(void)status;
	(void)events;
	for (int i = 0; i < TURN && take_one(n); i++)
		n->poke = true;
	net_leave(n);
}

void listen_start(struct net *n)
{
	uv_poll_start(&n->listen, UV_READABLE, on_connections);
}

void listen_resume(struct net *n)
{
	if (n->listens && !uv_is_active((uv_handle_t *)&n->listen) &&
	    n->n_peers < n->peers_max)
		listen_start(n);
}

void listen_stop(struct net *n)
{
	if (!n->listens)
		return;
	n->listens = false;
	uv_poll_stop(&n->listen);
	close(n->listen_fd);
}
