/* See link.h. */
#include "console/link.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/link_rpc.h"

#define MESSAGE_MAX (32 << 20)
#define PING_S 5
#define HANGUP_S 30
#define SILENT_US (2 * PING_S * 1000000LL)	/* two heartbeats missed */

struct watch {
	link_ready *fn;
	void *data;
	int fd;
};

struct message {
	struct message *next;
	size_t len;
	char bytes[];		/* LWS_PRE free ones, then the text */
};

struct link {
	const struct link_to *to;
	struct link_events events;
	void *data;
	struct lws_context *ctx;
	struct lws *wsi;
	bool up;		/* the websocket is open */
	bool closing;
	struct rpc *rpc;
	struct buf in;
	struct message *out, **out_end;
	lws_sorted_usec_list_t retry_sul, wake_sul, beat_sul;
	int64_t heard_us;	/* the last sign of life */
	bool silent;
	uint16_t tries;
	char why[300];		/* we hung up ourselves */
};

static const uint32_t backoff_ms[] = {500, 1000, 2000, 4000, 8000, 15000};
static const lws_retry_bo_t retry = {
	.retry_ms_table = backoff_ms,
	.retry_ms_table_count = LWS_ARRAY_SIZE(backoff_ms),
	.conceal_count = 0xffff,	/* for ever */
	.secs_since_valid_ping = PING_S,
	.secs_since_valid_hangup = HANGUP_S,
	.jitter_percent = 20,
};

static void drop_out(struct link *l)
{
	while (l->out) {
		struct message *m = l->out;

		l->out = m->next;
		free(m);
	}
	l->out_end = &l->out;
}

static void on_retry(lws_sorted_usec_list_t *sul)
{
	link_dial(lws_container_of(sul, struct link, retry_sul));
}

static void lost(struct link *l, const char *why)
{
	char conceal;
	bool login = strstr(why, "401") || strstr(why, "403") ||
		     strstr(why, "unauth");
	int64_t ms;

	if (l->closing)
		return;
	l->wsi = NULL;
	l->up = l->silent = false;
	lws_sul_cancel(&l->beat_sul);
	drop_out(l);
	buf_reset(&l->in);
	ms = lws_retry_get_delay_ms(l->ctx, &retry, &l->tries, &conceal);
	lws_sul_schedule(l->ctx, 0, &l->retry_sul, on_retry, ms * 1000);
	l->events.lost(l->data, login, why, ms * 1000);
	*l->why = 0;
	rpc_lost(l->rpc);
}

void link_dial(struct link *l)
{
	const struct link_to *to = l->to;
	char host[300], path[128];
	struct lws_client_connect_info i = {
		.context = l->ctx, .path = "/ws", .protocol = "kircerta.v1",
		.local_protocol_name = "kircerta.v1", .pwsi = &l->wsi,
		.retry_and_idle_policy = &retry, .opaque_user_data = l,
		.ssl_connection = to->tls ? LCCSCF_USE_SSL : 0,
	};

	lws_sul_cancel(&l->retry_sul);
	if (l->wsi)
		return;
	if (to->unix_path)
		snprintf(path, sizeof(path), "+%s", to->unix_path);
	snprintf(host, sizeof(host), to->unix_path ? "localhost" :
		 strchr(to->host, ':') ? "[%s]:%d" : "%s:%d", to->host,
		 to->port);
	i.address = to->unix_path ? path : to->host;
	i.port = to->port;
	i.host = host;
	if (!lws_client_connect_via_info(&i) && !l->retry_sul.list.owner)
		lost(l, "cannot connect");
}

static void heard(struct link *l)
{
	l->heard_us = clock_mono_us();
	if (l->silent)
		l->events.silent(l->data, 0);
	l->silent = false;
}

static void on_beat(lws_sorted_usec_list_t *sul)
{
	struct link *l = lws_container_of(sul, struct link, beat_sul);
	int64_t us = clock_mono_us() - l->heard_us;

	if (us >= SILENT_US) {
		l->silent = true;
		l->events.silent(l->data, us);
		lws_cancel_service(l->ctx);
	}
	lws_sul_schedule(l->ctx, 0, sul, on_beat, PING_S * 1000000LL);
}

static int add_token(struct link *l, struct lws *wsi, unsigned char **at,
		     size_t len)
{
	char *value;
	int rc;

	if (!l->to->token)
		return 0;
	value = xasprintf("Bearer %s", l->to->token);
	rc = lws_add_http_header_by_token(
		wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
		(const unsigned char *)value, (int)strlen(value), at,
		*at + len);
	mem_wipe(value, strlen(value));
	free(value);
	return rc ? -1 : 0;
}

static void send_text(void *data, const char *text, size_t len)
{
	struct link *l = data;
	struct message *m = xmalloc(sizeof(*m) + LWS_PRE + len);

	m->next = NULL;
	m->len = len;
	memcpy(m->bytes + LWS_PRE, text, len);
	*l->out_end = m;
	l->out_end = &m->next;
	lws_callback_on_writable(l->wsi);
}

static int write_next(struct link *l)
{
	struct message *m = l->out;
	int rc;

	if (!m)
		return 0;
	rc = lws_write(l->wsi, (unsigned char *)m->bytes + LWS_PRE, m->len,
		       LWS_WRITE_TEXT);
	l->out = m->next;
	if (!l->out)
		l->out_end = &l->out;
	else
		lws_callback_on_writable(l->wsi);
	free(m);
	return rc < 0 ? -1 : 0;
}

static int received(struct link *l, const char *in, size_t len)
{
	struct err err = {0};
	int rc;

	if (l->in.len + len > MESSAGE_MAX) {
		snprintf(l->why, sizeof(l->why), "the agent sent too much");
		return -1;
	}
	buf_add(&l->in, in, len);
	if (!lws_is_final_fragment(l->wsi))
		return 0;
	rc = rpc_receive(l->rpc, l->in.data, l->in.len, &err);
	if (rc)			/* not our protocol: hang up, dial again */
		snprintf(l->why, sizeof(l->why), "the agent sent what cannot "
			 "be read: %.200s", err.detail);
	err_fini(&err);
	buf_reset(&l->in);
	return rc;
}

static int on_socket(struct lws *wsi, enum lws_callback_reasons why,
		     void *user, void *in, size_t len)
{
	struct link *l = lws_get_opaque_user_data(wsi);

	(void)user;
	switch (why) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return add_token(l, wsi, in, len);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		l->wsi = wsi;
		l->up = true;
		heard(l);
		on_beat(&l->beat_sul);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		heard(l);
		return received(l, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		heard(l);
		return 0;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return write_next(l);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		lost(l, in ? in : "cannot connect");
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
		lost(l, *l->why ? l->why : "the connection was closed");
		return 0;
	default:
		return 0;
	}
}

static int on_watch(struct lws *wsi, enum lws_callback_reasons why,
		    void *user, void *in, size_t len)
{
	struct watch *w = lws_get_opaque_user_data(wsi);

	(void)user, (void)in, (void)len;
	if (why == LWS_CALLBACK_RAW_RX_FILE)
		return w->fn(w->data, w->fd, false) ? -1 : 0;
	if (why == LWS_CALLBACK_RAW_CLOSE_FILE && w) {
		w->fn(w->data, w->fd, true);
		free(w);
		lws_set_opaque_user_data(wsi, NULL);
	}
	return 0;
}

static const struct lws_protocols protocols[] = {
	{"kircerta.v1", on_socket, 0, 65536, 0, NULL, 0},
	{"watch", on_watch, 0, 0, 0, NULL, 0},
	{0},
};

int link_watch(struct link *l, int fd, link_ready *fn, void *data)
{
	lws_sock_file_fd_type which = {.filefd = fd};
	struct lws *wsi = lws_adopt_descriptor_vhost(
		lws_get_vhost_by_name(l->ctx, "default"),
		LWS_ADOPT_RAW_FILE_DESC, which, "watch", NULL);
	struct watch *w;

	if (!wsi)
		return -1;
	w = xmalloc(sizeof(*w));
	*w = (struct watch){fn, data, fd};
	lws_set_opaque_user_data(wsi, w);
	return 0;
}

static void hello(void *data, const json_t *params)
{
	struct link *l = data;

	l->tries = 0;		/* only an agent that speaks counts */
	l->events.hello(l->data, params);
}

struct link *link_open(const struct link_to *to,
		       const struct link_events *events, void *data,
		       struct err *err)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN, .protocols = protocols,
		.fd_limit_per_thread = 32,
		.options = to->tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0,
		.client_ssl_ca_filepath = to->ca_file,
		.client_ssl_cert_filepath = to->client_certificate,
		.client_ssl_private_key_filepath = to->client_key,
	};
	struct link *l = xcalloc(1, sizeof(*l));

	lws_set_log_level(0, NULL);	/* standard error is the screen */
	l->to = to;
	l->events = *events;
	l->data = data;
	l->out_end = &l->out;
	l->ctx = lws_create_context(&info);
	l->rpc = rpc_new(&(struct rpc_out){send_text, hello, l},
			 &l->events, data);
	if (l->ctx)
		return l;
	err_set(err, ERR_internal, "the event loop cannot be made");
	link_close(l);
	return NULL;
}

void link_close(struct link *l)
{
	if (!l)
		return;
	l->closing = true;
	if (l->ctx)
		lws_context_destroy(l->ctx);
	drop_out(l);
	rpc_free(l->rpc);
	buf_fini(&l->in);
	free(l);
}

void link_call(struct link *l, const char *method, json_t *params,
	       link_reply *reply, void *call)
{
	rpc_call(l->rpc, l->up, method, params, reply, call);
}

/* A timer that is due as the wait begins runs before the poll: end that too. */
static void on_wake(lws_sorted_usec_list_t *sul)
{
	lws_cancel_service(lws_container_of(sul, struct link, wake_sul)->ctx);
}

void link_wake_at(struct link *l, int64_t mono_us)
{
	int64_t in = mono_us - clock_mono_us();

	if (!mono_us)
		lws_sul_cancel(&l->wake_sul);
	else
		lws_sul_schedule(l->ctx, 0, &l->wake_sul, on_wake,
				 in > 1 ? in : 1);
}

int link_wait(struct link *l)
{
	return lws_service(l->ctx, 0) < 0 ? -1 : 0;
}
