/* Every field of the X list, set and not set. */
#include "core/rules/event.h"
#include "t/tap.h"
#include "t/world.h"

static struct world w;
static unsigned seen[SENSE_FIELD_COUNT];

static struct sense_value get(enum sense_field field)
{
	struct sense_value value;
	sense_event_get(&w.event, field, &value);
	seen[field] += value.type != SENSE_VALUE_NONE;
	return value;
}

static void text(enum sense_field field, const char *want)
{
	struct sense_value value = get(field);
	bool good = want ? value.type == SENSE_VALUE_STRING && !strcmp(value.string.text, want) &&
			       value.string.len == strlen(want)
			 : value.type == SENSE_VALUE_NONE;
	ok(good, "%s is %s", sense_field_name(field), want ? want : "not set");
}

static void num(enum sense_field field, double want)
{
	struct sense_value value = get(field);
	ok(value.type == SENSE_VALUE_NUMBER && value.number == want, "%s is %g", sense_field_name(field),
	   want);
}

static void yes(enum sense_field field, bool want)
{
	struct sense_value value = get(field);
	ok(value.type == SENSE_VALUE_BOOL && value.boolean == want, "%s is %s", sense_field_name(field),
	   want ? "yes" : "no");
}

static void addr(enum sense_field field, const char *want)
{
	char got[46] = "";
	struct sense_value value = get(field);
	if (value.type == SENSE_VALUE_ADDR)
		sense_addr_format(&value.addr, got);
	is_str(got, want, "%s is %s", sense_field_name(field), want);
}

static void flow(void)
{
	addr(SENSE_FIELD_SRC_IP, "10.1.2.3");
	addr(SENSE_FIELD_DST_IP, "160.79.104.10");
	num(SENSE_FIELD_SRC_PORT, 40000);
	num(SENSE_FIELD_DST_PORT, 443);
	num(SENSE_FIELD_L4, 6);
	num(SENSE_FIELD_VLAN, 0);
	num(SENSE_FIELD_FIRST_TS, 1700000000000000.0);
	num(SENSE_FIELD_LAST_TS, 1700000001500000.0);
	num(SENSE_FIELD_DURATION, 1.5);
	num(SENSE_FIELD_PACKETS_UP, 12);
	num(SENSE_FIELD_PACKETS_DOWN, 34);
	num(SENSE_FIELD_BYTES_UP, 5000);
	num(SENSE_FIELD_BYTES_DOWN, 90000);
	text(SENSE_FIELD_NDPI_MASTER, NULL);
	text(SENSE_FIELD_NDPI_APP, "TLS");
	yes(SENSE_FIELD_QUIC, false);
	w.flow.class_master = 7;
	w.flow.flags = SENSE_FLOW_QUIC; /* and endpoint b was first */
	text(SENSE_FIELD_NDPI_MASTER, "HTTP");
	yes(SENSE_FIELD_QUIC, true);
	addr(SENSE_FIELD_SRC_IP, "160.79.104.10");
	num(SENSE_FIELD_SRC_PORT, 443);
	addr(SENSE_FIELD_DST_IP, "10.1.2.3");
	num(SENSE_FIELD_DST_PORT, 40000);
	w.flow.flags = SENSE_FLOW_A_FIRST;
}

static void scope(struct sense_addr address, const char *want)
{
	w.flow.key.b = address;
	text(SENSE_FIELD_DST_SCOPE, want);
}

static void scopes(void)
{
	struct sense_addr six = {{0}};
	scope(world_ip4(160, 79, 104, 10), "public");
	scope(world_ip4(127, 0, 0, 53), "loopback");
	scope(world_ip4(10, 0, 0, 1), "private");
	scope(world_ip4(172, 31, 0, 1), "private");
	scope(world_ip4(172, 32, 0, 1), "public");
	scope(world_ip4(192, 168, 1, 1), "private");
	scope(world_ip4(100, 64, 0, 1), "private");
	scope(world_ip4(169, 254, 169, 254), "link");
	scope(world_ip4(255, 255, 255, 255), "link");
	scope(world_ip4(224, 0, 0, 251), "multicast");
	scope(six, "link");
	six.bytes[15] = 1;
	scope(six, "loopback");
	memcpy(six.bytes, "\xfe\x80", 2);
	scope(six, "link");
	memcpy(six.bytes, "\xfd\x12", 2);
	scope(six, "private");
	memcpy(six.bytes, "\xff\x02", 2);
	scope(six, "multicast");
	memcpy(six.bytes, "\x26\x07", 2);
	scope(six, "public");
	addr(SENSE_FIELD_DST_IP, "2607::1");
}

static void handshake(void)
{
	text(SENSE_FIELD_HOST, "claude.ai");
	text(SENSE_FIELD_HOST_SOURCE, "sni");
	text(SENSE_FIELD_ALPN, "h2,http/1.1");
	text(SENSE_FIELD_JA3, "773906b0efdefa24a7f2b8eb6985bf37");
	text(SENSE_FIELD_JA4, "t13d1516h2_8daaf6152771_d8a2da3f94cd");
	text(SENSE_FIELD_TLS_VERSION, "TLSv1.3");
	text(SENSE_FIELD_HELLO, "sni");
	w.meta.tls_version = 0x7f1c;
	text(SENSE_FIELD_TLS_VERSION, NULL);
	w.meta.host_source = SENSE_HOST_INFERRED;
	text(SENSE_FIELD_HOST_SOURCE, "inferred");
	w.meta.hello_state = SENSE_HELLO_MISSED;
	text(SENSE_FIELD_HELLO, "missed");

	w.event.kind = SENSE_EVENT_TLS;
	w.event.hello = &w.hello;
	w.hello = (struct sense_hello){
	    .sni = "chatgpt.com", .alpn = "h3", .ja3 = "3", .ja4 = "4", .version = 0x0303, .has_sni = true};
	w.meta.tls_version = 0;
	w.meta.hello_state = SENSE_HELLO_NONE;
	text(SENSE_FIELD_HOST, "chatgpt.com");
	text(SENSE_FIELD_HOST_SOURCE, "sni");
	text(SENSE_FIELD_ALPN, "h3");
	text(SENSE_FIELD_JA3, "3");
	text(SENSE_FIELD_JA4, "4");
	text(SENSE_FIELD_TLS_VERSION, "TLSv1.2");
	text(SENSE_FIELD_HELLO, "sni");
	w.hello.ech = true;
	text(SENSE_FIELD_HELLO, "ech");
	w.hello.ech_grease_likely = true;
	text(SENSE_FIELD_HELLO, "sni");
	w.hello = (struct sense_hello){.ja4 = "4"};
	text(SENSE_FIELD_HELLO, "no_sni");
	text(SENSE_FIELD_HOST, "claude.ai");
	text(SENSE_FIELD_HOST_SOURCE, "inferred");
	text(SENSE_FIELD_ALPN, "h2,http/1.1");
	w.event.hello = NULL;
}

static void request(void)
{
	static const enum sense_field fields[] = {SENSE_FIELD_HTTP_METHOD,  SENSE_FIELD_HTTP_PATH,
						  SENSE_FIELD_USER_AGENT,   SENSE_FIELD_CONTENT_TYPE,
						  SENSE_FIELD_CREDENTIAL,   SENSE_FIELD_SIGNAL,
						  SENSE_FIELD_SIGNAL_SCORE, SENSE_FIELD_CLIENT};
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		text(fields[i], NULL);
	world_str(&w.meta.http_method, "GET");
	world_str(&w.meta.http_path, "/");
	world_str(&w.meta.user_agent, "curl/8");
	world_str(&w.meta.content_type, "text/html");
	w.meta.credential = SENSE_CREDENTIAL_GITHUB;
	text(SENSE_FIELD_HTTP_METHOD, "GET");
	text(SENSE_FIELD_HTTP_PATH, "/");
	text(SENSE_FIELD_USER_AGENT, "curl/8");
	text(SENSE_FIELD_CONTENT_TYPE, "text/html");
	text(SENSE_FIELD_CREDENTIAL, "github");

	w.event.kind = SENSE_EVENT_HTTP;
	w.event.http = &w.http;
	w.http = (struct sense_http){.method = "POST",
				     .path = "/api/chat",
				     .host = "gpu.corp.example",
				     .user_agent = "ollama-python/0.4",
				     .content_type = "application/json"};
	text(SENSE_FIELD_HTTP_METHOD, "POST");
	text(SENSE_FIELD_HTTP_PATH, "/api/chat");
	text(SENSE_FIELD_USER_AGENT, "ollama-python/0.4");
	text(SENSE_FIELD_CONTENT_TYPE, "application/json");
	text(SENSE_FIELD_CREDENTIAL, NULL);
	text(SENSE_FIELD_HOST, "gpu.corp.example");
	text(SENSE_FIELD_HOST_SOURCE, "http");
	static const char *const kinds[] = {"other",  "openai",      "anthropic",
					    "google", "huggingface", "github"};
	for (uint8_t i = 0; i < 6; i++) {
		w.http.credential = (uint8_t)(i + 1);
		text(SENSE_FIELD_CREDENTIAL, kinds[i]);
	}
	w.http.credential = 200;
	text(SENSE_FIELD_CREDENTIAL, NULL);
}

/* Labels are numbers of the catalogue: the shipped one has some. */
static void labels(void)
{
	sense_error err;
	sense_catalogue *catalogue = sense_catalogue_load("policies/catalogue", &err);
	const char *first = catalogue ? sense_catalogue_label(catalogue, 0) : NULL;

	w.meta.signal = 1;
	text(SENSE_FIELD_SIGNAL, NULL); /* a label without a catalogue is no word */
	w.names.catalogue = catalogue;
	if (!ok(first != NULL, "the catalogue has labels"))
		fprintf(stderr, "# %s\n", catalogue ? "none" : err.message);
	w.meta.signal_score = 60;
	w.meta.client = 1;
	text(SENSE_FIELD_SIGNAL, first);
	num(SENSE_FIELD_SIGNAL_SCORE, 60);
	text(SENSE_FIELD_CLIENT, first);
	w.event.signal = &w.signal;
	text(SENSE_FIELD_SIGNAL, NULL);
	text(SENSE_FIELD_CLIENT, NULL);
	w.signal.label = 1;
	w.signal.score = 100;
	text(SENSE_FIELD_SIGNAL, first);
	num(SENSE_FIELD_SIGNAL_SCORE, 100);
	w.names.catalogue = NULL;
	sense_catalogue_free(catalogue);
	w.event.signal = NULL;
	w.event.http = NULL;
}

static void service(void)
{
	text(SENSE_FIELD_SERVICE_ID, "claude");
	text(SENSE_FIELD_SERVICE_NAME, "Claude");
	text(SENSE_FIELD_SERVICE_VENDOR, "Anthropic");
	text(SENSE_FIELD_SERVICE_CATEGORY, "chat");
	text(SENSE_FIELD_SERVICE_RISK, "medium");
	text(SENSE_FIELD_SERVICE_GRADE, "B");
	w.row.grade = 'U';
	text(SENSE_FIELD_SERVICE_GRADE, "U");
	yes(SENSE_FIELD_SERVICE_SHARED, false);
	yes(SENSE_FIELD_SERVICE_CONCLUSIVE, true);
	w.event.host_row = NULL;
	for (enum sense_field field = SENSE_FIELD_SERVICE_ID; field <= SENSE_FIELD_SERVICE_CONCLUSIVE;
	     field++)
		text(field, NULL);
}

static void dns(void)
{
	text(SENSE_FIELD_DNS_NAME, NULL);
	w.event.kind = SENSE_EVENT_DNS;
	w.event.dns = &w.dns;
	w.dns.type = SENSE_DNS_HTTPS;
	w.dns.response = true;
	snprintf(w.dns.name, sizeof(w.dns.name), "api.openai.com");
	text(SENSE_FIELD_DNS_NAME, "api.openai.com");
	text(SENSE_FIELD_HOST, "api.openai.com");
	text(SENSE_FIELD_HOST_SOURCE, "dns");
	num(SENSE_FIELD_DNS_TYPE, 65);
	yes(SENSE_FIELD_DNS_RESPONSE, true);
	w.event.dns = NULL;
}

static void activity(void)
{
	struct sense_activity_view view = {
	    .subject = "claude", .kind = "dns", .confidence = 70, .indicators = 2, .conclusive = true};
	w.event.activity = &view;
	text(SENSE_FIELD_ACTIVITY_SUBJECT, "claude");
	text(SENSE_FIELD_ACTIVITY_KIND, "dns");
	num(SENSE_FIELD_ACTIVITY_CONFIDENCE, 70);
	num(SENSE_FIELD_ACTIVITY_INDICATORS, 2);
	yes(SENSE_FIELD_ACTIVITY_CONCLUSIVE, true);
	yes(SENSE_FIELD_ACTIVITY_REPORTED, false);
	w.event.activity = NULL;
}

/* 2023-11-14 22:13:20 UTC was a Tuesday. */
static void moment(void)
{
	w.event.kind = SENSE_EVENT_FLOW_END;
	w.event.ts_us = UINT64_C(1700000000000000);
	text(SENSE_FIELD_EVENT, "flow.end");
	num(SENSE_FIELD_TS, 1700000000000000);
	num(SENSE_FIELD_HOUR, 22);
	num(SENSE_FIELD_WEEKDAY, 2);
	w.event.ts_us -= UINT64_C(2) * 86400 * 1000000;
	num(SENSE_FIELD_WEEKDAY, 7);
}

/* What was handed over counts, and what was not is still read from the rest of the event. */
static void given(void)
{
	static struct sense_given values;
	struct sense_addr addr = world_ip4(10, 9, 8, 7);
	w.event.given = &values;
	for (unsigned i = 0; i < SENSE_FIELD_COUNT; i++) {
		if (sense_field_type(i) == SENSE_VALUE_STRING)
			sense_given_string(&values, i, sense_field_name(i));
		else if (sense_field_type(i) == SENSE_VALUE_NUMBER)
			sense_given_number(&values, i, i);
		else if (sense_field_type(i) == SENSE_VALUE_BOOL)
			sense_given_bool(&values, i, true);
		else
			sense_given_addr(&values, i, &addr);
	}
	for (unsigned i = 0; i < SENSE_FIELD_COUNT; i++) {
		struct sense_value value = get(i);
		if (value.type == SENSE_VALUE_STRING)
			text(i, sense_field_name(i));
		else if (value.type == SENSE_VALUE_NUMBER)
			num(i, i);
		else if (value.type == SENSE_VALUE_BOOL)
			yes(i, true);
		else
			ok(!memcmp(&value.addr, &addr, sizeof(addr)), "%s is given", sense_field_name(i));
	}
	sense_given_string(&values, SENSE_FIELD_TOOL, NULL);
	text(SENSE_FIELD_TOOL, NULL);
	memset(values.known, 0, sizeof(values.known));
	num(SENSE_FIELD_DST_PORT, 443);
	w.event.given = NULL;
}

static void names(void)
{
	unsigned count = 0;
	for (const char *const *name = sense_field_names(); *name; name++, count++)
		if (sense_field_find(*name) != (int)count || strcmp(sense_field_name(count), *name))
			ok(false, "field %s is found by its name", *name);
	is_num(count, SENSE_FIELD_COUNT, "all fields have names");
	is_num(sense_field_find("nonsense"), -1, "and no other");
	is_num(sense_field_type(SENSE_FIELD_DST_IP), SENSE_VALUE_ADDR, "they have types");
	is_str(sense_field_doc(SENSE_FIELD_DST_PORT), "its port", "and documentation");
	is_num(sense_field_type(SENSE_FIELD_COUNT), SENSE_VALUE_NONE, "there is none behind the last");
	for (count = 0; sense_event_kind_names()[count]; count++)
		is_num(sense_event_find(sense_event_name(count)), count, "event %s", sense_event_name(count));
	is_num(count, SENSE_EVENT_KINDS, "all kinds of event have names");
	is_num(sense_event_find("flow"), -1, "and no other");
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	world_init(&w);
	flow();
	scopes();
	handshake();
	request();
	labels();
	service();
	dns();
	activity();
	moment();
	names();
	/* What only a host plugin knows is never read from a flow. */
	for (unsigned i = 0; i < SENSE_FIELD_COUNT; i++)
		if (!seen[i] && get(i).type != SENSE_VALUE_NONE)
			ok(false, "%s was tested", sense_field_name(i));
	given();
	text(SENSE_FIELD_PROCESS_NAME, NULL);
	text(SENSE_FIELD_USER, NULL);
	w.event = (struct sense_event){.kind = SENSE_EVENT_FLOW_NEW};
	for (unsigned i = 0; i < SENSE_FIELD_EVENT; i++)
		if (get(i).type != SENSE_VALUE_NONE)
			ok(false, "%s of nothing is not set", sense_field_name(i));
	world_fini(&w);
	return tap_done();
}
