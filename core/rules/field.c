/*
 * The values of an event's fields. Most lie somewhere in the structs that an event points to, and a
 * table says where: one small reader for all of them stays in the cache between two events, which a
 * branch for each field would not. The others are worked out.
 */
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "core/rules/event.h"

enum reader {
	WORKED_OUT,
	HOST_NAME,
	SOURCE_ADDRESS, /* of the flow's key; `at` is that of end a */
	SOURCE_PORT,
	DESTINATION_ADDRESS,
	DESTINATION_PORT,
	FLOW_BYTE,
	FLOW_SHORT,
	FLOW_LONG,
	SERVICE_WORD,
	ROW_FLAG,
	DNS_TEXT,
	DNS_SHORT,
	DNS_FLAG,
	HELLO_TEXT, /* this event's own text, else the string that the flow keeps */
	HTTP_TEXT
};

struct place {
	uint8_t reader;
	uint16_t at;   /* offset in what the reader is named after */
	uint16_t kept; /* HELLO_TEXT, HTTP_TEXT: offset of the string in the flow's metadata */
};

#define FLOW(shape, member) {FLOW_##shape, offsetof(struct sense_flow, member), 0}
#define END(which, member) {which, offsetof(struct sense_flow_key, member), 0}
#define ROW(member) {ROW_FLAG, offsetof(struct sense_host_row, member), 0}
#define SERVICE(member) {SERVICE_WORD, offsetof(struct sense_service, member), 0}
#define DNS(shape, member) {DNS_##shape, offsetof(struct sense_dns, member), 0}
#define HELLO(member)                                                                              \
	{HELLO_TEXT, offsetof(struct sense_hello, member), offsetof(struct sense_flow_meta, member)}
#define HTTP(member, kept)                                                                         \
	{HTTP_TEXT, offsetof(struct sense_http, member), offsetof(struct sense_flow_meta, kept)}

static const struct place places[SENSE_FIELD_COUNT] = {
    [SENSE_FIELD_SRC_IP] = END(SOURCE_ADDRESS, a),
    [SENSE_FIELD_SRC_PORT] = END(SOURCE_PORT, port_a),
    [SENSE_FIELD_DST_IP] = END(DESTINATION_ADDRESS, a),
    [SENSE_FIELD_DST_PORT] = END(DESTINATION_PORT, port_a),
    [SENSE_FIELD_L4] = FLOW(BYTE, key.l4),
    [SENSE_FIELD_VLAN] = FLOW(SHORT, key.vlan),
    [SENSE_FIELD_FIRST_TS] = FLOW(LONG, first_ts),
    [SENSE_FIELD_LAST_TS] = FLOW(LONG, last_ts),
    [SENSE_FIELD_PACKETS_UP] = FLOW(LONG, packets[0]),
    [SENSE_FIELD_PACKETS_DOWN] = FLOW(LONG, packets[1]),
    [SENSE_FIELD_BYTES_UP] = FLOW(LONG, bytes[0]),
    [SENSE_FIELD_BYTES_DOWN] = FLOW(LONG, bytes[1]),
    [SENSE_FIELD_HOST] = {HOST_NAME, 0, 0},
    [SENSE_FIELD_ALPN] = HELLO(alpn),
    [SENSE_FIELD_JA3] = HELLO(ja3),
    [SENSE_FIELD_JA4] = HELLO(ja4),
    [SENSE_FIELD_HTTP_METHOD] = HTTP(method, http_method),
    [SENSE_FIELD_HTTP_PATH] = HTTP(path, http_path),
    [SENSE_FIELD_USER_AGENT] = HTTP(user_agent, user_agent),
    [SENSE_FIELD_CONTENT_TYPE] = HTTP(content_type, content_type),
    [SENSE_FIELD_SERVICE_ID] = SERVICE(id),
    [SENSE_FIELD_SERVICE_NAME] = SERVICE(name),
    [SENSE_FIELD_SERVICE_VENDOR] = SERVICE(vendor),
    [SENSE_FIELD_SERVICE_CATEGORY] = SERVICE(category),
    [SENSE_FIELD_SERVICE_RISK] = SERVICE(risk),
    [SENSE_FIELD_SERVICE_SHARED] = ROW(shared),
    [SENSE_FIELD_SERVICE_CONCLUSIVE] = ROW(conclusive),
    [SENSE_FIELD_DNS_NAME] = DNS(TEXT, name),
    [SENSE_FIELD_DNS_TYPE] = DNS(SHORT, type),
    [SENSE_FIELD_DNS_RESPONSE] = DNS(FLAG, response),
};

/* ---- values ---------------------------------------------------------------------------------- */

static void set_text(struct sense_value *out, const char *text, size_t len)
{
	if (!len)
		return;
	out->type = SENSE_VALUE_STRING;
	out->string.text = text;
	out->string.len = (uint32_t)len;
	out->string.hash = 0;
	out->string.memo = NULL;
}

static void set_str(struct sense_value *out, const struct sense_str *str)
{
	if (!str)
		return;
	set_text(out, str->text, str->len);
	out->string.hash = str->hash;
	out->string.memo = (uint64_t *)&str->memo; /* the one part of it that changes */
}

static void set_word(struct sense_value *out, const char *word)
{
	if (word)
		set_text(out, word, strlen(word));
}

static void set_number(struct sense_value *out, double number)
{
	out->type = SENSE_VALUE_NUMBER;
	out->number = number;
}

static void set_bool(struct sense_value *out, bool boolean)
{
	out->type = SENSE_VALUE_BOOL;
	out->boolean = boolean;
}

static void set_addr(struct sense_value *out, const struct sense_addr *addr)
{
	out->type = SENSE_VALUE_ADDR;
	out->addr = *addr;
}

/* Of the event's own text, or of what the flow remembers when the event has none. */
static void set_either(struct sense_value *out, const char *own, const struct sense_str *kept)
{
	if (own && *own)
		set_word(out, own);
	else
		set_str(out, kept);
}

/* ---- what is worked out ---------------------------------------------------------------------- */

static void get_protocol(const struct sense_event *event, uint16_t protocol, struct sense_value *out)
{
	const struct sense_event_names *names = event->names;
	if (protocol && names && names->protocol)
		set_word(out, names->protocol(names->module, protocol));
}

static double duration(const struct sense_flow *flow)
{
	return flow->last_ts > flow->first_ts ? (double)(flow->last_ts - flow->first_ts) / 1e6 : 0;
}

static const char *version_name(uint16_t version)
{
	switch (version) {
	case 0x0304:
		return "TLSv1.3";
	case 0x0303:
		return "TLSv1.2";
	case 0x0302:
		return "TLSv1.1";
	case 0x0301:
		return "TLSv1";
	case 0x0300:
		return "SSLv3";
	case 0xfefc:
		return "DTLSv1.3";
	case 0xfefd:
		return "DTLSv1.2";
	case 0xfeff:
		return "DTLSv1";
	default:
		return NULL;
	}
}

static const char *hello_name(const struct sense_hello *hello, const struct sense_flow_meta *meta)
{
	static const char *const states[] = {[SENSE_HELLO_SNI] = "sni",
					     [SENSE_HELLO_NO_SNI] = "no_sni",
					     [SENSE_HELLO_ECH] = "ech",
					     [SENSE_HELLO_MISSED] = "missed"};

	/* The flow's state comes first: it was judged with more than this one message. */
	if (meta->hello_state && meta->hello_state <= SENSE_HELLO_MISSED)
		return states[meta->hello_state];
	if (!hello)
		return NULL;
	if (hello->ech && !hello->ech_grease_likely)
		return "ech";
	return hello->has_sni ? "sni" : "no_sni";
}

static const char *credential_name(uint8_t credential)
{
	static const char *const names[] = {[SENSE_CREDENTIAL_OTHER] = "other",
					    [SENSE_CREDENTIAL_OPENAI] = "openai",
					    [SENSE_CREDENTIAL_ANTHROPIC] = "anthropic",
					    [SENSE_CREDENTIAL_GOOGLE] = "google",
					    [SENSE_CREDENTIAL_HUGGINGFACE] = "huggingface",
					    [SENSE_CREDENTIAL_GITHUB] = "github"};
	return credential < sizeof(names) / sizeof(*names) ? names[credential] : NULL;
}

/* A label is kept as its number + 1, so that 0 says 'none'. */
static void get_label(const struct sense_event *event, uint16_t label, struct sense_value *out)
{
	if (label && event->names && event->names->catalogue)
		set_word(out, sense_catalogue_label(event->names->catalogue, label - 1u));
}

/* The name that this very event carries; "" when it has none, and *source says what it is. */
static const char *own_host(const struct sense_event *event, const char **source)
{
	*source = event->dns ? "dns" : event->hello ? "sni" : "http";
	return event->dns   ? event->dns->name
	     : event->hello ? event->hello->sni
	     : event->http  ? event->http->host
			    : "";
}

static void get_host(const struct sense_event *event, const struct sense_flow_meta *meta,
		     enum sense_field field, struct sense_value *out)
{
	static const char *const sources[] = {[SENSE_HOST_INFERRED] = "inferred",
					      [SENSE_HOST_DNS] = "dns",
					      [SENSE_HOST_HTTP] = "http",
					      [SENSE_HOST_SNI] = "sni"};
	const char *source;
	const char *own = own_host(event, &source);

	if (field == SENSE_FIELD_HOST)
		set_either(out, own, meta->host);
	else if (*own)
		set_word(out, source);
	else if (meta->host && meta->host_source <= SENSE_HOST_SNI)
		set_word(out, sources[meta->host_source]);
}

static void get_http(const struct sense_event *event, const struct sense_flow_meta *meta,
		     enum sense_field field, struct sense_value *out)
{
	const struct sense_http *http = event->http;
	const struct sense_signal *signal = event->signal; /* of this request; else of the strongest */
	uint16_t label = signal ? signal->label : meta->signal;

	if (field == SENSE_FIELD_CREDENTIAL)
		set_word(out, credential_name(http ? http->credential : meta->credential));
	else if (field == SENSE_FIELD_SIGNAL)
		get_label(event, label, out);
	else if (field == SENSE_FIELD_CLIENT)
		get_label(event, signal ? signal->client : meta->client, out);
	else if (label)
		set_number(out, signal ? signal->score : meta->signal_score);
}

static const char *grade_name(const struct sense_host_row *row)
{
	static const char grades[][2] = {"A", "B", "C", "D"};
	if (!row)
		return NULL;
	return row->grade >= 'A' && row->grade <= 'D' ? grades[row->grade - 'A'] : "U";
}

static void get_activity(const struct sense_activity_view *activity, enum sense_field field,
			 struct sense_value *out)
{
	if (field == SENSE_FIELD_ACTIVITY_SUBJECT)
		set_word(out, activity->subject);
	else if (field == SENSE_FIELD_ACTIVITY_KIND)
		set_word(out, activity->kind);
	else if (field == SENSE_FIELD_ACTIVITY_CONFIDENCE)
		set_number(out, activity->confidence);
	else if (field == SENSE_FIELD_ACTIVITY_INDICATORS)
		set_number(out, activity->indicators);
	else if (field == SENSE_FIELD_ACTIVITY_REPORTED)
		set_bool(out, activity->reported);
	else
		set_bool(out, activity->conclusive);
}

static void get_moment(const struct sense_event *event, enum sense_field field, struct sense_value *out)
{
	struct tm local;
	time_t seconds = (time_t)(event->ts_us / 1000000);

	if (field == SENSE_FIELD_EVENT)
		set_word(out, sense_event_name(event->kind));
	else if (field == SENSE_FIELD_TS)
		set_number(out, (double)event->ts_us);
	else if (localtime_r(&seconds, &local))
		set_number(out, field == SENSE_FIELD_HOUR ? local.tm_hour
			       : local.tm_wday		  ? local.tm_wday
							  : 7);
}

static __attribute__((noinline)) void work_out(const struct sense_event *event, enum sense_field field,
					       struct sense_value *out)
{
	static const struct sense_flow_meta nothing;
	const struct sense_flow *flow = event->flow;
	const struct sense_flow_meta *meta = flow && flow->meta ? flow->meta : &nothing;
	const struct sense_hello *hello = event->hello;

	switch (field) {
	case SENSE_FIELD_DST_SCOPE:
		if (flow)
			set_word(out, sense_addr_scope(flow->flags & SENSE_FLOW_A_FIRST ? &flow->key.b
										      : &flow->key.a));
		break;
	case SENSE_FIELD_DURATION:
		if (flow)
			set_number(out, duration(flow));
		break;
	case SENSE_FIELD_NDPI_MASTER:
		get_protocol(event, flow ? flow->class_master : 0, out);
		break;
	case SENSE_FIELD_NDPI_APP:
		get_protocol(event, flow ? flow->class_app : 0, out);
		break;
	case SENSE_FIELD_QUIC:
		if (flow)
			set_bool(out, flow->flags & SENSE_FLOW_QUIC);
		break;
	case SENSE_FIELD_HOST:
	case SENSE_FIELD_HOST_SOURCE:
		get_host(event, meta, field, out);
		break;
	case SENSE_FIELD_TLS_VERSION:
		set_word(out, version_name(meta->tls_version ? meta->tls_version : hello ? hello->version : 0));
		break;
	case SENSE_FIELD_HELLO:
		set_word(out, hello_name(hello, meta));
		break;
	case SENSE_FIELD_CREDENTIAL ... SENSE_FIELD_CLIENT:
		get_http(event, meta, field, out);
		break;
	case SENSE_FIELD_SERVICE_GRADE:
		set_word(out, grade_name(event->host_row));
		break;
	case SENSE_ACTOR_FIRST ... SENSE_ACTOR_LAST:
		if (meta->actor)
			*out = meta->actor->values[field - SENSE_ACTOR_FIRST];
		break;
	case SENSE_FIELD_ACTIVITY_SUBJECT ... SENSE_FIELD_ACTIVITY_CONCLUSIVE:
		if (event->activity)
			get_activity(event->activity, field, out);
		break;
	case SENSE_FIELD_EVENT ... SENSE_FIELD_WEEKDAY:
		get_moment(event, field, out);
		break;
	default:
		break; /* what only a host plugin knows, when none gave it */
	}
}

/* ---- what lies there ------------------------------------------------------------------------- */

/* An end of a flow, where b's members follow a's: the source is end a when a sent first. */
static const void *end_of(const struct sense_flow *flow, const struct place *place, bool source, size_t size)
{
	bool a_first = flow->flags & SENSE_FLOW_A_FIRST;
	return (const char *)&flow->key + place->at + (source == a_first ? 0 : size);
}

_Static_assert(offsetof(struct sense_flow_key, b) ==
			   offsetof(struct sense_flow_key, a) + sizeof(struct sense_addr) &&
		   offsetof(struct sense_flow_key, port_b) ==
			   offsetof(struct sense_flow_key, port_a) + sizeof(uint16_t),
	       "end_of steps from a to b");

#define AT(type, base) (*(const type *)((const char *)(base) + place->at))

static void get_flow(const struct sense_flow *flow, const struct place *place, struct sense_value *out)
{
	switch (place->reader) {
	case SOURCE_ADDRESS:
	case DESTINATION_ADDRESS:
		set_addr(out, end_of(flow, place, place->reader == SOURCE_ADDRESS, sizeof(struct sense_addr)));
		break;
	case SOURCE_PORT:
	case DESTINATION_PORT:
		set_number(out, *(const uint16_t *)end_of(flow, place, place->reader == SOURCE_PORT,
							  sizeof(uint16_t)));
		break;
	case FLOW_BYTE:
		set_number(out, AT(uint8_t, flow));
		break;
	case FLOW_SHORT:
		set_number(out, AT(uint16_t, flow));
		break;
	default:
		set_number(out, (double)AT(uint64_t, flow));
		break;
	}
}

static void get_dns(const struct sense_dns *dns, const struct place *place, struct sense_value *out)
{
	if (place->reader == DNS_TEXT)
		set_word(out, &AT(char, dns));
	else if (place->reader == DNS_SHORT)
		set_number(out, AT(uint16_t, dns));
	else
		set_bool(out, AT(bool, dns));
}

static void get_text(const struct sense_event *event, const struct place *place, const void *own,
		     struct sense_value *out)
{
	const char *text = own ? (const char *)own + place->at : "";
	if (*text)
		set_word(out, text);
	else if (event->flow && event->flow->meta)
		set_str(out, *(const struct sense_str *const *)((const char *)event->flow->meta + place->kept));
}

static bool is_given(const struct sense_event *event, enum sense_field field)
{
	return event->given && event->given->known[field / 64] >> field % 64 & 1;
}

void sense_event_get(const struct sense_event *event, enum sense_field field, struct sense_value *out)
{
	const struct place *place = &places[field];
	const struct sense_flow *flow = event->flow;

	out->type = SENSE_VALUE_NONE;
	if (is_given(event, field)) {
		*out = event->given->values[field];
		return;
	}
	switch (place->reader) {
	case HOST_NAME:
		if (event->dns || event->hello || event->http)
			work_out(event, field, out);
		else if (flow && flow->meta)
			set_str(out, flow->meta->host);
		break;
	case SOURCE_ADDRESS ... FLOW_LONG:
		if (flow)
			get_flow(flow, place, out);
		break;
	case SERVICE_WORD:
		if (event->host_row)
			set_word(out, AT(char *, event->host_row->service));
		break;
	case ROW_FLAG:
		if (event->host_row)
			set_bool(out, AT(bool, event->host_row));
		break;
	case DNS_TEXT ... DNS_FLAG:
		if (event->dns)
			get_dns(event->dns, place, out);
		break;
	case HELLO_TEXT:
		get_text(event, place, event->hello, out);
		break;
	case HTTP_TEXT:
		get_text(event, place, event->http, out);
		break;
	default:
		work_out(event, field, out);
		break;
	}
}

/* ---- what is handed over as such -------------------------------------------------------------- */

static struct sense_value *give(struct sense_given *given, enum sense_field field)
{
	given->known[field / 64] |= UINT64_C(1) << field % 64;
	given->values[field].type = SENSE_VALUE_NONE;
	return &given->values[field];
}

void sense_given_string(struct sense_given *given, enum sense_field field, const char *text)
{
	set_word(give(given, field), text);
}

void sense_given_number(struct sense_given *given, enum sense_field field, double number)
{
	set_number(give(given, field), number);
}

void sense_given_bool(struct sense_given *given, enum sense_field field, bool boolean)
{
	set_bool(give(given, field), boolean);
}

void sense_given_addr(struct sense_given *given, enum sense_field field, const struct sense_addr *addr)
{
	set_addr(give(given, field), addr);
}
