/* See listen.h. */
#include "agent/net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/listen_unix.h"
#include "agent/net/relay.h"
#include "agent/net/server.h"
#include "common/err.h"

#define TURN 16			/* connections taken in one of the loop */
#define OWN 32u			/* kept for who is on this machine */

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
	listen_add(n, n->tls ? OVER_TLS : OVER_TCP, fd);
	return 0;
}

void listen_add(struct net *n, enum over over, int fd)
{
	struct listener *l = &n->listeners[n->n_listeners++];

	*l = (struct listener){.net = n, .over = over, .fd = fd};
	uv_poll_init(&n->loop, &l->poll, fd);
	l->poll.data = l;
}

/*
 * A relay has two files besides its peer's. Whoever fills all the room that
 * is there for a port does not keep the operator from the UNIX socket.
 */
static bool has_room(const struct listener *l)
{
	const struct net *n = l->net;
	const unsigned own = l->over == OVER_UNIX ? 0 :
			     n->peers_max < 4 * OWN ? n->peers_max / 4 : OWN;

	return n->n_peers + 2 * n->n_relays < n->peers_max - own;
}

static bool out_of_files(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM;
}

static void adopt(struct net *n, int fd, uint32_t address)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	n->accepted = (struct accepted){.address = address};
	lws_adopt_socket_vhost(n->vhost, fd);	/* closes it if it fails */
}

/* false: there is none, or no room for one. */
static bool take_one(struct listener *l)
{
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	struct net *n = l->net;
	bool room = has_room(l);
	int fd;

	fd = room ? accept4(l->fd, (struct sockaddr *)&from, &len,
			    SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
	if (fd < 0) {
		if (!room || out_of_files(errno))
			uv_poll_stop(&l->poll);
		return false;
	}
	if (l->over == OVER_TCP)
		adopt(n, fd, from.sin_addr.s_addr);
	else
		relay_open(n, l->over, fd, l->over == OVER_UNIX ? 0 :
			   from.sin_addr.s_addr);
	return true;
}

static void on_connections(uv_poll_t *h, int status, int events)
{
	struct listener *l = h->data;

	(void)status;
	(void)events;
	for (int i = 0; i < TURN && take_one(l); i++)
		l->net->poke = true;
	net_leave(l->net);
}

static void start(struct listener *l)
{
	if (l->fd >= 0 && has_room(l) &&
	    !uv_is_active((uv_handle_t *)&l->poll))
		uv_poll_start(&l->poll, UV_READABLE, on_connections);
}

void listen_start(struct net *n)
{
	for (size_t i = 0; i < n->n_listeners; i++)
		start(&n->listeners[i]);
}

void listen_resume(struct net *n)
{
	if (n->core)
		listen_start(n);
}

void listen_stop(struct net *n)
{
	for (size_t i = 0; i < n->n_listeners; i++) {
		struct listener *l = &n->listeners[i];

		if (l->fd < 0)
			continue;
		uv_poll_stop(&l->poll);
		close(l->fd);
		l->fd = -1;
	}
	listen_unix_close(n);
}

void listen_close(struct net *n)
{
	listen_stop(n);
	for (size_t i = 0; i < n->n_listeners; i++)
		uv_close((uv_handle_t *)&n->listeners[i].poll, NULL);
}
