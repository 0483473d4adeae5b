/* See timestamp_request.h. RFC 3161 is OpenSSL's; what is asked is ours. */
#include "agent/tools/timestamp_request.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/ts.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/tools/tool.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/sha256.h"

#define NONCE 16		/* bytes */
#define WORDS_MAX 200

static const struct err_row not_granted = {
	.code = "timestamp_refused",
	.hint = "See detail: the authority did not give a time stamp; check "
		"[timestamp] url and policy.",
};
static const struct err_row not_good = {
	.code = "timestamp_bad",
	.hint = "Do not trust this authority until it is known why: what came "
		"is no time stamp of the checkpoint by a certificate under "
		"[timestamp] ca-file.",
};
static const struct err_row no_ca = {
	.code = "timestamp_not_configured",
	.hint = "Set [timestamp] ca-file to a file with the authority's root "
		"certificate in PEM.",
};

struct stamp_request { TS_REQ *req; };

/* The innermost reason of OpenSSL, without its numbers. */
static const char *why(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(code);

	return text ? text : "OpenSSL does not say why";
}

static void must(bool ok, const char *what)
{
	if (!ok)
		tool_fail(err_row(ERR_internal), "%s: %s", what, why());
}

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void set_imprint(TS_REQ *req, const char *sha256)
{
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *algorithm = X509_ALGOR_new();
	uint8_t raw[SHA256_RAW];

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(nibble(sha256[2 * i]) << 4 |
				   nibble(sha256[2 * i + 1]));
	must(imprint && algorithm &&
	     X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL,
			     NULL) &&
	     TS_MSG_IMPRINT_set_algo(imprint, algorithm) &&
	     TS_MSG_IMPRINT_set_msg(imprint, raw, sizeof(raw)) &&
	     TS_REQ_set_msg_imprint(req, imprint), "imprint");
	X509_ALGOR_free(algorithm);
	TS_MSG_IMPRINT_free(imprint);
}

/* What makes the reply one to this request. */
static void set_nonce(TS_REQ *req)
{
	uint8_t raw[NONCE];
	ASN1_INTEGER *nonce;
	BIGNUM *n;

	random_bytes(raw, sizeof(raw));
	raw[0] = (raw[0] & 0x7f) | 0x40;	/* positive, of full length */
	n = BN_bin2bn(raw, sizeof(raw), NULL);
	nonce = n ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
	must(nonce && TS_REQ_set_nonce(req, nonce), "nonce");
	ASN1_INTEGER_free(nonce);
	BN_free(n);
}

static void set_policy(TS_REQ *req, const char *policy)
{
	ASN1_OBJECT *id = OBJ_txt2obj(policy, 1);

	if (!id || !TS_REQ_set_policy_id(req, id))
		tool_fail(err_row(ERR_invalid_args), "policy \"%s\" is no "
			  "object id", policy);
	ASN1_OBJECT_free(id);
}

struct stamp_request *stamp_request_new(const char *sha256,
					const char *policy, struct buf *der)
{
	struct stamp_request *r = xcalloc(1, sizeof(*r));
	unsigned char *bytes = NULL;
	int len;

	if (!is_hex(sha256, SHA256_HEX - 1))
		tool_fail(err_row(ERR_invalid_args), "sha256 is none");
	r->req = TS_REQ_new();
	must(r->req && TS_REQ_set_version(r->req, 1) &&
	     TS_REQ_set_cert_req(r->req, 1), "request");
	set_imprint(r->req, sha256);
	set_nonce(r->req);
	if (policy)
		set_policy(r->req, policy);
	len = i2d_TS_REQ(r->req, &bytes);
	must(len > 0, "request");
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	return r;
}

void stamp_request_free(struct stamp_request *r)
{
	if (!r)
		return;
	TS_REQ_free(r->req);
	free(r);
}

static X509_STORE *trusted(const char *ca_file)
{
	X509_STORE *store = X509_STORE_new();

	if (!store || !X509_STORE_load_file(store, ca_file))
		tool_fail(&no_ca, "%s has no certificate: %s", ca_file, why());
	return store;
}

/* Its words, cut to what fits on a line. */
static void say_status(TS_RESP *resp)
{
	TS_STATUS_INFO *info = TS_RESP_get_status_info(resp);
	long status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(info));
	const STACK_OF(ASN1_UTF8STRING) *texts =
		TS_STATUS_INFO_get0_text(info);
	const ASN1_UTF8STRING *text = sk_ASN1_UTF8STRING_num(texts) > 0 ?
		sk_ASN1_UTF8STRING_value(texts, 0) : NULL;
	int len = 0;

	if (status == TS_STATUS_GRANTED ||
	    status == TS_STATUS_GRANTED_WITH_MODS)
		return;
	if (text)
		len = ASN1_STRING_length(text) < WORDS_MAX ?
		      ASN1_STRING_length(text) : WORDS_MAX;
	tool_fail(&not_granted, "status %ld%s%.*s", status, len ? ": " : "",
		  len, len ? (const char *)ASN1_STRING_get0_data(text) : "");
}

static void verify(const struct stamp_request *r, TS_RESP *resp,
		   const char *ca_file)
{
	TS_VERIFY_CTX *v = TS_REQ_to_TS_VERIFY_CTX(r->req, NULL);

	must(v != NULL, "verifying");
	TS_VERIFY_CTX_set_store(v, trusted(ca_file));
	TS_VERIFY_CTX_add_flags(v, TS_VFY_SIGNATURE | TS_VFY_VERSION |
				TS_VFY_IMPRINT | TS_VFY_NONCE);
	ERR_clear_error();
	if (TS_RESP_verify_response(v, resp) != 1) {
		const char *data = NULL;
		int flags = 0;

		ERR_peek_last_error_data(&data, &flags);
		tool_fail(&not_good, "%s%s%.200s", why(),
			  data && *data ? ": " : "", data ? data : "");
	}
	TS_VERIFY_CTX_free(v);
}

static void tell(const TS_TST_INFO *info, struct stamp *out)
{
	BIGNUM *serial = ASN1_INTEGER_to_BN(TS_TST_INFO_get_serial(info),
					    NULL);
	char *hex = serial ? BN_bn2hex(serial) : NULL;
	struct tm tm;

	if (!ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &tm))
		tool_fail(&not_good, "its time is none");
	strftime(out->time, sizeof(out->time), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(out->serial, sizeof(out->serial), "%s", hex ? hex : "");
	OBJ_obj2txt(out->policy, sizeof(out->policy),
		    TS_TST_INFO_get_policy_id((TS_TST_INFO *)info), 1);
	OPENSSL_free(hex);
	BN_free(serial);
}

void stamp_judge(const struct stamp_request *r, const void *reply, size_t len,
		 const char *ca_file, struct stamp *out)
{
	const unsigned char *at = reply;
	TS_RESP *resp = d2i_TS_RESP(NULL, &at, (long)len);

	if (!resp || at != (const unsigned char *)reply + len)
		tool_fail(&not_good, "what came is no time stamp reply");
	say_status(resp);
	verify(r, resp, ca_file);
	tell(TS_RESP_get_tst_info(resp), out);
	TS_RESP_free(resp);
}
