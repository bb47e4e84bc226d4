/* Enrolment: one request over HTTPS (RFC 9112), its answer as JSON, errors as RFC 9457 has them. */
#include <jansson.h>
#include <openssl/err.h>
#include <stdio.h>
#include <strings.h>

#include "uplink.h"

#define ANSWER_MAX 65536u
#define HTTP_MS 30000u
#define SERVERS_TOLD 16u

enum sense_status enrol_prepare(struct uplink *u, const struct sense_uplink_enrol *enrol, sense_error *err)
{
	json_object_seed(0); /* while there is something to take it from */
	json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "token", enrol->secret, "csr", enrol->request,
	                         "host", enrol->host, "version", enrol->version);
	u->enrol_body = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	memcpy(u->fingerprint, enrol->fingerprint, sizeof u->fingerprint);
	u->enrolling = true;
	if (!u->enrol_body)
		return u->host->fail(err, SENSE_E_MEMORY, NAME,
		                     "the request for enrolment cannot be written");
	return SENSE_OK;
}

void enrol_begin(struct uplink *u)
{
	char head[HOST_MAX + 256];
	int len = snprintf(head, sizeof head,
	                   "POST /v1/enroll HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
	                   "Accept: application/json, application/problem+json\r\nContent-Length: %zu\r\n"
	                   "Connection: close\r\n\r\n",
	                   u->servers[u->at].text, strlen(u->enrol_body));
	u->phase = PHASE_HTTP;
	u->deadline = u->now + HTTP_MS;
	u->events = 0;
	bytes_clear(&u->head);
	if (!bytes_add(&u->out, head, (size_t)len, OUT_MAX) ||
	    !bytes_add(&u->out, u->enrol_body, strlen(u->enrol_body), OUT_MAX))
		lost(u, false, "no memory for the request");
}

/* ---- the answer ------------------------------------------------------------------------------------- */

/* From a server that is not known to be one: printable, and not long. */
static void clean(char *text, size_t cap, const char *from)
{
	size_t len = 0;
	for (; *from && len + 1 < cap; from++)
		text[len++] = *from < ' ' || *from > '~' ? '?' : *from;
	text[len] = '\0';
}

static bool add(char *out, size_t *len, const char *text)
{
	size_t more = text ? strlen(text) + 1 : 0,
	       room = SENSE_UPLINK_MESSAGE_MAX - sizeof(struct sense_uplink_head);
	if (!more || more > room - *len)
		return false;
	memcpy(out + *len, text, more);
	*len += more;
	return true;
}

static bool enrolled_tell(struct uplink *u, const json_t *answer)
{
	static const char *const members[] = {"certificate", "ca", "agent", "organization", "policy_key"};
	static char out[SENSE_UPLINK_MESSAGE_MAX];
	const json_t *servers = json_object_get(answer, "servers");
	size_t len = 0;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (!add(out, &len, json_string_value(json_object_get(answer, members[i]))))
			return false;
	for (size_t i = 0; i < json_array_size(servers) && i < SERVERS_TOLD; i++)
		if (!add(out, &len, json_string_value(json_array_get(servers, i))))
			return false;
	tell(u, SENSE_UPLINK_ENROLLED, 0, 0, out, len);
	return true;
}

/* What a problem says of itself: its detail, or its title. */
static void problem_take(const json_t *answer, long code, char *why, size_t cap)
{
	char text[256];
	const char *detail = json_string_value(json_object_get(answer, "detail"));
	const char *title = json_string_value(json_object_get(answer, "title"));
	clean(text, sizeof text, detail ? detail : title ? title : "it does not say why");
	snprintf(why, cap, "the server refuses enrolment (%ld): %s", code, text);
}

/* Where the body begins, and the code. NULL: the head is not whole, or none. */
static const char *head_read(const char *text, long *code, size_t *length)
{
	const char *end = strstr(text, "\r\n\r\n");
	*code = 0;
	*length = SIZE_MAX;
	if (!end || strncmp(text, "HTTP/1.", 7) || strcspn(text, " ") != 8)
		return NULL;
	*code = strtol(text + 9, NULL, 10);
	for (const char *line = strstr(text, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, "content-length:", 15))
			*length = strtoul(line + 17, NULL, 10);
	return end + 4;
}

bool enrol_answer(struct uplink *u, const char *text, size_t len, char *why, size_t cap)
{
	long code;
	size_t length;
	const char *body = head_read(text, &code, &length);
	size_t have = body ? len - (size_t)(body - text) : 0;
	json_t *answer =
	    body ? json_loadb(body, have < length ? have : length, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool good = false;
	snprintf(why, cap, "what answers there is no server of a fleet");
	if (body && code >= 300)
		problem_take(answer, code, why, cap);
	else if (answer)
		good = code >= 200 && enrolled_tell(u, answer);
	json_decref(answer);
	return good;
}

static void answered(struct uplink *u)
{
	char why[384] = "";
	if (bytes_add(&u->head, "", 1, ANSWER_MAX + 1) &&
	    enrol_answer(u, (const char *)u->head.data, u->head.len - 1, why, sizeof why)) {
		u->over = true;
		u->code = EXIT_SUCCESS;
		return;
	}
	lost(u, false, "%s", *why ? why : "its answer is too long");
}

/* All of the body is there, as far as its length was said. */
static bool whole(struct uplink *u)
{
	long code;
	size_t length;
	if (!bytes_add(&u->head, "", 1, ANSWER_MAX + 1))
		return false;
	u->head.len--;
	const char *text = (const char *)u->head.data, *body = head_read(text, &code, &length);
	return body && length != SIZE_MAX && u->head.len - (size_t)(body - text) >= length;
}

void enrol_event(struct uplink *u)
{
	char data[4096];
	ERR_clear_error();
	int got = SSL_read(u->ssl, data, sizeof data);
	if (got > 0 && bytes_add(&u->head, data, (size_t)got, ANSWER_MAX)) {
		if (whole(u))
			answered(u);
		return;
	}
	int error = SSL_get_error(u->ssl, got);
	if (got <= 0 && error == SSL_ERROR_WANT_READ)
		return;
	answered(u); /* the end, or too much */
}
