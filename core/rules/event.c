#include "core/rules/event.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const kind_names[SENSE_EVENT_KINDS + 1] = {
    [SENSE_EVENT_FLOW_NEW] = "flow.new",
    [SENSE_EVENT_FLOW_CLASSIFIED] = "flow.classified",
    [SENSE_EVENT_FLOW_UPDATE] = "flow.update",
    [SENSE_EVENT_FLOW_END] = "flow.end",
    [SENSE_EVENT_DNS] = "dns",
    [SENSE_EVENT_TLS] = "tls",
    [SENSE_EVENT_HTTP] = "http",
};

static const char *const field_names[SENSE_FIELD_COUNT + 1] = {
#define FIELD_NAME(id, name, type, doc) [SENSE_FIELD_##id] = name,
    SENSE_FIELDS(FIELD_NAME)
#undef FIELD_NAME
};

static const struct {
	enum sense_value_type type;
	const char *doc;
} fields[SENSE_FIELD_COUNT] = {
#define FIELD_ROW(id, name, type, doc) [SENSE_FIELD_##id] = {SENSE_VALUE_##type, doc},
    SENSE_FIELDS(FIELD_ROW)
#undef FIELD_ROW
};

static int find(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

const char *sense_event_name(enum sense_event_kind kind)
{
	return (unsigned)kind < SENSE_EVENT_KINDS ? kind_names[kind] : "unknown";
}

int sense_event_find(const char *name)
{
	return find(kind_names, name);
}

const char *const *sense_event_kind_names(void)
{
	return kind_names;
}

const char *sense_field_name(enum sense_field field)
{
	return (unsigned)field < SENSE_FIELD_COUNT ? field_names[field] : "unknown";
}

enum sense_value_type sense_field_type(enum sense_field field)
{
	return (unsigned)field < SENSE_FIELD_COUNT ? fields[field].type : SENSE_VALUE_NONE;
}

const char *sense_field_doc(enum sense_field field)
{
	return (unsigned)field < SENSE_FIELD_COUNT ? fields[field].doc : "";
}

int sense_field_find(const char *name)
{
	return find(field_names, name);
}

const char *const *sense_field_names(void)
{
	return field_names;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool is_ipv4(const struct sense_addr *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return !memcmp(addr->bytes, mapped, sizeof(mapped));
}

/* inet_ntop goes through sprintf, which costs more than all the rest of an address in a finding. */
static void format4(const uint8_t *bytes, char *out)
{
	for (int i = 0; i < 4; i++) {
		uint8_t n = bytes[i];
		if (n >= 100)
			*out++ = (char)('0' + n / 100);
		if (n >= 10)
			*out++ = (char)('0' + n / 10 % 10);
		*out++ = (char)('0' + n % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

void sense_addr_format(const struct sense_addr *addr, char *out)
{
	if (is_ipv4(addr))
		format4(addr->bytes + 12, out);
	else
		inet_ntop(AF_INET6, addr->bytes, out, INET6_ADDRSTRLEN);
}

/* RFC 6890 and its registries; 100.64.0.0/10 (RFC 6598) counts as private: it is never the Internet. */
static const char *scope4(const uint8_t *a)
{
	if (a[0] == 127)
		return "loopback";
	if (a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
	    (a[0] == 100 && (a[1] & 0xc0) == 64))
		return "private";
	if (a[0] == 0 || (a[0] == 169 && a[1] == 254) || (a[0] & a[1] & a[2] & a[3]) == 255)
		return "link";
	return (a[0] & 0xf0) == 224 ? "multicast" : "public";
}

static const char *scope6(const uint8_t *a)
{
	static const uint8_t zero[15];
	if (!memcmp(a, zero, sizeof(zero)) && a[15] <= 1)
		return a[15] ? "loopback" : "link";
	if (a[0] == 0xff)
		return "multicast";
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return "link";
	/* Unique local (RFC 4193), and the site-local form that it replaced. */
	return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) ? "private" : "public";
}

static const char *scope(const struct sense_addr *addr)
{
	return is_ipv4(addr) ? scope4(addr->bytes + 12) : scope6(addr->bytes);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void set_text(struct sense_value *out, const char *text, size_t len)
{
	if (!len)
		return;
	out->type = SENSE_VALUE_STRING;
	out->string.text = text;
	out->string.len = (uint32_t)len;
	out->string.hash = 0;
}

static void set_str(struct sense_value *out, const struct sense_str *str)
{
	if (!str)
		return;
	set_text(out, str->text, str->len);
	out->string.hash = str->hash;
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

/* ---- where the fields come from ---------------------------------------------------------------- */

static void get_protocol(const struct sense_event *event, uint16_t protocol, struct sense_value *out)
{
	const struct sense_event_names *names = event->names;
	if (protocol && names && names->protocol)
		set_word(out, names->protocol(names->module, protocol));
}

static void get_endpoint(const struct sense_flow *flow, enum sense_field field, struct sense_value *out)
{
	const struct sense_flow_key *key = &flow->key;
	bool a_first = flow->flags & SENSE_FLOW_A_FIRST;

	switch (field) {
	case SENSE_FIELD_SRC_IP:
		set_addr(out, a_first ? &key->a : &key->b);
		break;
	case SENSE_FIELD_DST_IP:
		set_addr(out, a_first ? &key->b : &key->a);
		break;
	case SENSE_FIELD_DST_SCOPE:
		set_word(out, scope(a_first ? &key->b : &key->a));
		break;
	case SENSE_FIELD_SRC_PORT:
		set_number(out, a_first ? key->port_a : key->port_b);
		break;
	case SENSE_FIELD_DST_PORT:
		set_number(out, a_first ? key->port_b : key->port_a);
		break;
	case SENSE_FIELD_L4:
		set_number(out, key->l4);
		break;
	case SENSE_FIELD_VLAN:
		set_number(out, key->vlan);
		break;
	default:
		break;
	}
}

static double duration(const struct sense_flow *flow)
{
	return flow->last_ts > flow->first_ts ? (double)(flow->last_ts - flow->first_ts) / 1e6 : 0;
}

static void get_counter(const struct sense_flow *flow, enum sense_field field, struct sense_value *out)
{
	switch (field) {
	case SENSE_FIELD_FIRST_TS:
		set_number(out, (double)flow->first_ts);
		break;
	case SENSE_FIELD_LAST_TS:
		set_number(out, (double)flow->last_ts);
		break;
	case SENSE_FIELD_DURATION:
		set_number(out, duration(flow));
		break;
	case SENSE_FIELD_PACKETS_UP:
		set_number(out, (double)flow->packets[0]);
		break;
	case SENSE_FIELD_PACKETS_DOWN:
		set_number(out, (double)flow->packets[1]);
		break;
	case SENSE_FIELD_BYTES_UP:
		set_number(out, (double)flow->bytes[0]);
		break;
	case SENSE_FIELD_BYTES_DOWN:
		set_number(out, (double)flow->bytes[1]);
		break;
	default:
		break;
	}
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

static void get_hello(const struct sense_event *event, const struct sense_flow_meta *meta,
		      enum sense_field field, struct sense_value *out)
{
	const struct sense_hello *hello = event->hello;

	switch (field) {
	case SENSE_FIELD_ALPN:
		set_either(out, hello ? hello->alpn : NULL, meta->alpn);
		break;
	case SENSE_FIELD_JA3:
		set_either(out, hello ? hello->ja3 : NULL, meta->ja3);
		break;
	case SENSE_FIELD_JA4:
		set_either(out, hello ? hello->ja4 : NULL, meta->ja4);
		break;
	case SENSE_FIELD_TLS_VERSION:
		set_word(out, version_name(meta->tls_version ? meta->tls_version
					   : hello           ? hello->version
							     : 0));
		break;
	case SENSE_FIELD_HELLO:
		set_word(out, hello_name(hello, meta));
		break;
	default:
		break;
	}
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

static void get_http(const struct sense_event *event, const struct sense_flow_meta *meta,
		     enum sense_field field, struct sense_value *out)
{
	const struct sense_http *http = event->http;
	const struct sense_signal *signal = event->signal; /* of this request; else of the strongest */
	uint16_t label = signal ? signal->label : meta->signal;

	switch (field) {
	case SENSE_FIELD_HTTP_METHOD:
		set_either(out, http ? http->method : NULL, meta->http_method);
		break;
	case SENSE_FIELD_HTTP_PATH:
		set_either(out, http ? http->path : NULL, meta->http_path);
		break;
	case SENSE_FIELD_USER_AGENT:
		set_either(out, http ? http->user_agent : NULL, meta->user_agent);
		break;
	case SENSE_FIELD_CONTENT_TYPE:
		set_either(out, http ? http->content_type : NULL, meta->content_type);
		break;
	case SENSE_FIELD_CREDENTIAL:
		set_word(out, credential_name(http ? http->credential : meta->credential));
		break;
	case SENSE_FIELD_SIGNAL:
		get_label(event, label, out);
		break;
	case SENSE_FIELD_SIGNAL_SCORE:
		if (label)
			set_number(out, signal ? signal->score : meta->signal_score);
		break;
	case SENSE_FIELD_CLIENT:
		get_label(event, signal ? signal->client : meta->client, out);
		break;
	default:
		break;
	}
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

static void get_service(const struct sense_host_row *row, enum sense_field field, struct sense_value *out)
{
	static const char grades[][2] = {"A", "B", "C", "D"};

	switch (field) {
	case SENSE_FIELD_SERVICE_ID:
		set_word(out, row->service->id);
		break;
	case SENSE_FIELD_SERVICE_NAME:
		set_word(out, row->service->name);
		break;
	case SENSE_FIELD_SERVICE_VENDOR:
		set_word(out, row->service->vendor);
		break;
	case SENSE_FIELD_SERVICE_CATEGORY:
		set_word(out, row->service->category);
		break;
	case SENSE_FIELD_SERVICE_RISK:
		set_word(out, row->service->risk);
		break;
	case SENSE_FIELD_SERVICE_GRADE:
		set_word(out, row->grade >= 'A' && row->grade <= 'D' ? grades[row->grade - 'A'] : "U");
		break;
	case SENSE_FIELD_SERVICE_SHARED:
		set_bool(out, row->shared);
		break;
	case SENSE_FIELD_SERVICE_CONCLUSIVE:
		set_bool(out, row->conclusive);
		break;
	default:
		break;
	}
}

static void get_dns(const struct sense_dns *dns, enum sense_field field, struct sense_value *out)
{
	switch (field) {
	case SENSE_FIELD_DNS_NAME:
		set_word(out, dns->name);
		break;
	case SENSE_FIELD_DNS_TYPE:
		set_number(out, dns->type);
		break;
	case SENSE_FIELD_DNS_RESPONSE:
		set_bool(out, dns->response);
		break;
	default:
		break;
	}
}

void sense_event_get(const struct sense_event *event, enum sense_field field, struct sense_value *out)
{
	static const struct sense_flow_meta nothing;
	const struct sense_flow *flow = event->flow;
	const struct sense_flow_meta *meta = flow && flow->meta ? flow->meta : &nothing;

	out->type = SENSE_VALUE_NONE;
	switch (field) {
	case SENSE_FIELD_SRC_IP ... SENSE_FIELD_VLAN:
		if (flow)
			get_endpoint(flow, field, out);
		break;
	case SENSE_FIELD_FIRST_TS ... SENSE_FIELD_BYTES_DOWN:
		if (flow)
			get_counter(flow, field, out);
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
	case SENSE_FIELD_ALPN ... SENSE_FIELD_HELLO:
		get_hello(event, meta, field, out);
		break;
	case SENSE_FIELD_HTTP_METHOD ... SENSE_FIELD_CLIENT:
		get_http(event, meta, field, out);
		break;
	case SENSE_FIELD_SERVICE_ID ... SENSE_FIELD_SERVICE_CONCLUSIVE:
		if (event->host_row)
			get_service(event->host_row, field, out);
		break;
	case SENSE_FIELD_DNS_NAME ... SENSE_FIELD_DNS_RESPONSE:
		if (event->dns)
			get_dns(event->dns, field, out);
		break;
	default:
		break; /* process and user: attribution is not part of an offline replay */
	}
}
