/*
 * See net.h and server.h. The lws context: HTTP/1.1 and websocket on our own
 * libuv loop; where it listens is none of its business.
 *
 * "The wall": where lws answers by itself (a bad escape in the target, an
 * unknown Upgrade) it would send HTML without a record. Its answers carry
 * the vhost's headers and ours do not, so a header that does not fit makes
 * it hang up without a word.
 */
#include "agent/net/server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "agent/net/address.h"
#include "agent/net/listen.h"
#include "agent/net/listen_unix.h"
#include "agent/net/loop.h"
#include "agent/net/net.h"
#include "agent/net/tls.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define FILES_MAX 16384u

/* As many connections as files allow, and some left for everything else. */
static unsigned connections_max(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return 256;
	if (r.rlim_cur < FILES_MAX) {
		r.rlim_cur = r.rlim_max < FILES_MAX ? r.rlim_max : FILES_MAX;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_cur > FILES_MAX)
		r.rlim_cur = FILES_MAX;
	return (unsigned)(r.rlim_cur >= 1024 ? r.rlim_cur - 256 :
			  r.rlim_cur / 2);
}

static void say(int level, const char *line)
{
	int len = (int)strcspn(line, "\n");

	log_debug("libwebsockets: %s%.*s", level == LLL_ERR ? "error: " : "",
		  len, line);
}

static const struct lws_http_mount mount = {
	.mountpoint = "/", .mountpoint_len = 1, .origin = "http",
	.origin_protocol = LWSMPRO_CALLBACK,
};

static const lws_retry_bo_t validity = {
	.secs_since_valid_ping = 20, .secs_since_valid_hangup = 30,
};

static int make_context(struct net *n, struct err *err)
{
	struct lws_protocol_vhost_options *wall = &n->wall_header;
	struct lws_context_creation_info info = {
		.options = LWS_SERVER_OPTION_LIBUV |
			   LWS_SERVER_OPTION_DISABLE_IPV6 |
			   LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
	LWS_SERVER_OPTION_FALLBACK_TO_APPLY_LISTEN_ACCEPT_CONFIG,
		.foreign_loops = n->loops, .user = n,
		.fd_limit_per_thread = n->peers_max + 16,
		.protocols = net_protocols, .mounts = &mount,
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.pt_serv_buf_size = SLICE, .max_http_header_data = 16384,
		.timeout_secs = 10, .timeout_secs_ah_idle = 10,
		.keepalive_timeout = 30,
		.retry_and_idle_policy = &validity,
		.headers = wall,
	};

	n->wall = xmalloc(2 * SLICE);
	memset(n->wall, 'x', 2 * SLICE - 1);
	n->wall[2 * SLICE - 1] = '\0';
	wall->name = "x-wall:";
	wall->value = n->wall;
	lws_set_log_level(LLL_ERR | LLL_WARN, say);
	n->context = lws_create_context(&info);
	n->vhost = n->context ? lws_create_vhost(n->context, &info) : NULL;
	if (!n->vhost)
		return err_set(err, ERR_io, "cannot listen on %s:%d: "
			       "libwebsockets refuses", n->host, n->port);
	return 0;
}

int server_open(struct net *n, const char *listen_at, struct err *err)
{
	struct address at;

	n->peers_max = connections_max();
	if (tls_open(&n->tls, n->agent->settings, err) ||
	    address_parse(&at, listen_at, n->tls, err))
		return -1;
	memcpy(n->host, at.host, sizeof(at.host));
	n->port = at.port;
	if (listen_open(n, err) || listen_unix_open(n, err) ||
	    make_context(n, err))
		return -1;
	snprintf(n->url, sizeof(n->url), "%s://%s:%d",
		 n->tls ? "https" : "http", n->host, n->port);
	return 0;
}
