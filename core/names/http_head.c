/* From the bytes of a request head to struct sense_http. */
#include "core/names/http_head.h"

#include <openssl/crypto.h>
#include <string.h>

#include "core/names/redact.h"

#define HOST_MAX 255u
#define PATH_SEGMENT_MAX 512u
/* Markers that mean something only together. */
#define SEEN_REFERER (1u << 30)
#define SEEN_TITLE (1u << 31)

struct text {
	const char *p;
	size_t n;
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct text trim(struct text t)
{
	while (t.n && is_space(t.p[0])) {
		t.p++;
		t.n--;
	}
	while (t.n && is_space(t.p[t.n - 1]))
		t.n--;
	return t;
}

/* lowered has letters, '-' and '/' alone, so that one bit folds; control bytes that alias do no harm. */
static bool equal_nocase(const char *text, const char *lowered, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((text[i] | 0x20) != lowered[i])
			return false;
	}
	return true;
}

static struct text behind(struct text t, const char *p)
{
	return (struct text){ p, (size_t)(t.p + t.n - p) };
}

/* ---- cleaning: what is kept of a text ----------------------------------------------------- */

static size_t put(char *to, size_t at, size_t cap, const char *from, size_t n)
{
	if (n > cap - 1 - at)
		n = cap - 1 - at;
	memcpy(to + at, from, n);
	return at + n;
}

static bool ends_word(char c)
{
	static const bool ends[256] = {
		[0] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, ['('] = true, [')'] = true,
		['<'] = true, ['>'] = true, ['['] = true, [']'] = true, ['{'] = true, ['}'] = true, [';'] = true,
		[','] = true, ['"'] = true
	};
	return ends[(unsigned char)c];
}

/* Printable ASCII in single spaces; words that look like a secret are replaced. */
static void text_keep(char *to, size_t cap, struct text t)
{
	size_t at = 0;
	for (size_t i = 0; i < t.n && at < cap - 1;) {
		size_t n = 0;
		while (i + n < t.n && !ends_word(t.p[i + n]))
			n++;
		if (n && sense_secret_within(t.p + i, n)) {
			at = put(to, at, cap, SENSE_REDACTED, sizeof(SENSE_REDACTED) - 1);
			i += n;
			continue;
		}
		for (size_t end = i + n; i < end && at < cap - 1; i++)
			to[at++] = t.p[i] > ' ' && t.p[i] <= '~' ? t.p[i] : '?';
		if (n)
			continue;
		char c = t.p[i++];
		if (!is_space(c))
			to[at++] = c ? c : '?';
		else if (at && to[at - 1] != ' ')
			to[at++] = ' ';
	}
	to[at] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_unreserved(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

/*
 * One path segment in its normal form (RFC 3986, 6.2.2): escapes of unreserved characters decoded,
 * so that neither a rule nor a secret's shape is evaded by writing %73k; all others in upper case.
 */
static size_t segment_normal(char *to, size_t cap, struct text from)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t at = 0;
	for (size_t i = 0; i < from.n && cap - at >= 3; i++) {
		int c = (unsigned char)from.p[i];
		bool escape = c <= ' ' || c > '~';
		int high = from.n - i > 2 ? hex_value(from.p[i + 1]) : -1;
		int low = from.n - i > 2 ? hex_value(from.p[i + 2]) : -1;
		if (c == '%' && high >= 0 && low >= 0) {
			c = high << 4 | low;
			escape = !is_unreserved(c);
			i += 2;
		}
		if (!escape) {
			to[at++] = (char)c;
			continue;
		}
		to[at++] = '%';
		to[at++] = hex[c >> 4];
		to[at++] = hex[c & 15];
	}
	return at;
}

/* A segment is judged whole, before any of it is kept: half a key is still too much of it. */
static void path_keep(char *to, size_t cap, struct text t)
{
	char segment[PATH_SEGMENT_MAX];
	size_t at = 0;
	while (t.n && at < cap - 1) {
		if (*t.p == '/') {
			to[at++] = '/';
			t = behind(t, t.p + 1);
			continue;
		}
		const char *slash = memchr(t.p, '/', t.n);
		size_t n = slash ? (size_t)(slash - t.p) : t.n;
		size_t len = segment_normal(segment, sizeof(segment), (struct text){ t.p, n });
		t = behind(t, t.p + n);
		if (sense_secret_within(segment, len)) {
			OPENSSL_cleanse(segment, len);
			at = put(to, at, cap, SENSE_REDACTED, sizeof(SENSE_REDACTED) - 1);
			continue;
		}
		bool cut = len > cap - 1 - at;
		at = put(to, at, cap, segment, len);
		while (cut && at && (to[at - 1] == '%' || (at > 1 && to[at - 2] == '%')))
			at--; /* no half of an escape */
	}
	to[at] = '\0';
}

static uint16_t port_read(struct text t)
{
	uint32_t port = 0;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9' || port > UINT16_MAX / 10)
			return 0;
		port = port * 10 + (uint32_t)(t.p[i] - '0');
	}
	return port > UINT16_MAX ? 0 : (uint16_t)port;
}

/* host, host:port, [v6]:port, with the user information that some write before it. */
static void host_keep(struct sense_http *out, struct text t)
{
	t = trim(t);
	const char *at = t.n ? memrchr(t.p, '@', t.n) : NULL;
	if (at)
		t = behind(t, at + 1);
	const char *colon = t.n ? memrchr(t.p, ':', t.n) : NULL;
	const char *close = t.n && *t.p == '[' ? memchr(t.p, ']', t.n) : NULL;
	bool literal = colon && !close && memchr(t.p, ':', (size_t)(colon - t.p)); /* v6 without brackets */
	struct text host = t;
	if (colon && !literal && (!close || colon == close + 1)) {
		out->host_port = port_read(behind(t, colon + 1));
		host.n = (size_t)(colon - t.p);
	}
	if (close)
		host = (struct text){ t.p + 1, (size_t)(close - t.p - 1) };
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n > HOST_MAX)
		return;
	for (size_t i = 0; i < host.n; i++) {
		char c = lower(host.p[i]);
		out->host[i] = is_unreserved(c) || c == ':' || c == '%' ? c : '?';
	}
	out->host[host.n] = '\0';
}

/* ---- credentials --------------------------------------------------------------------------- */

/* The most telling of several: a known shape stays, 'some credential' gives way to one. */
static void credential_note(struct sense_http *out, enum sense_http_credential kind)
{
	if (out->credential <= SENSE_CREDENTIAL_OTHER && kind > out->credential)
		out->credential = (uint8_t)kind;
}

/* The value behind its scheme (RFC 9110, 11.4), if it has one. */
static void credential_value(struct sense_http *out, struct text value)
{
	static const struct text schemes[] = { { "bearer", 6 }, { "basic", 5 }, { "token", 5 } };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t n = schemes[i].n;
		if (value.n < n || !equal_nocase(value.p, schemes[i].p, n))
			continue;
		if (value.n > n && !is_space(value.p[n]))
			continue;
		value = trim(behind(value, value.p + n));
		break;
	}
	credential_note(out, sense_secret_kind(value.p, value.n));
}

/* Some APIs take the key in the query (?key=AIza...). Only a known shape counts there. */
static void credential_query(struct sense_http *out, struct text query)
{
	while (query.n) {
		const char *amp = memchr(query.p, '&', query.n);
		struct text pair = { query.p, amp ? (size_t)(amp - query.p) : query.n };
		const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
		struct text value = equals ? behind(pair, equals + 1) : (struct text){ pair.p, 0 };
		if (sense_secret_within(value.p, value.n))
			credential_note(out, sense_secret_kind(value.p, value.n));
		query = amp ? behind(query, amp + 1) : (struct text){ query.p, 0 };
	}
}

/* ---- headers ------------------------------------------------------------------------------- */

enum use { MARK, HOST, AGENT, TYPE, ACCEPT, CREDENTIAL };

struct header {
	const char *name;
	uint8_t len;
	bool prefix; /* any header that begins so */
	uint8_t use;
	uint32_t marker;
};

#define EXACT(text, use, marker) { text, sizeof(text) - 1, false, use, marker }
#define BEGINS(text, use, marker) { text, sizeof(text) - 1, true, use, marker }
static const struct header with_a[] = {
	EXACT("accept", ACCEPT, 0),
	EXACT("authorization", CREDENTIAL, 0),
	EXACT("api-key", CREDENTIAL, SENSE_HTTP_AZURE),
	BEGINS("anthropic-", MARK, SENSE_HTTP_ANTHROPIC),
};
static const struct header with_c[] = {
	EXACT("content-type", TYPE, 0),
	EXACT("cf-aig-authorization", CREDENTIAL, SENSE_HTTP_GATEWAY),
	EXACT("copilot-integration-id", MARK, SENSE_HTTP_COPILOT),
};
static const struct header with_e[] = { EXACT("editor-plugin-version", MARK, SENSE_HTTP_COPILOT) };
static const struct header with_h[] = {
	EXACT("host", HOST, 0),
	EXACT("http-referer", MARK, SEEN_REFERER),
	EXACT("helicone-auth", CREDENTIAL, SENSE_HTTP_GATEWAY),
};
static const struct header with_m[] = {
	EXACT("mcp-session-id", MARK, SENSE_HTTP_MCP_SESSION),
	EXACT("mcp-protocol-version", MARK, SENSE_HTTP_MCP_VERSION),
	EXACT("mcp-method", MARK, SENSE_HTTP_MCP_METHOD),
	EXACT("mcp-name", MARK, SENSE_HTTP_MCP_METHOD),
};
static const struct header with_o[] = {
	EXACT("openai-organization", MARK, SENSE_HTTP_OPENAI),
	EXACT("openai-beta", MARK, SENSE_HTTP_OPENAI),
	EXACT("openai-project", MARK, SENSE_HTTP_OPENAI),
	EXACT("ocp-apim-subscription-key", CREDENTIAL, 0),
};
static const struct header with_p[] = { EXACT("proxy-authorization", CREDENTIAL, 0) };
static const struct header with_u[] = { EXACT("user-agent", AGENT, 0) };
static const struct header with_x[] = {
	BEGINS("x-stainless-", MARK, SENSE_HTTP_STAINLESS),
	EXACT("x-api-key", CREDENTIAL, 0),
	EXACT("x-auth-token", CREDENTIAL, 0),
	EXACT("x-goog-api-key", CREDENTIAL, SENSE_HTTP_GOOGLE),
	EXACT("x-title", MARK, SEEN_TITLE),
	BEGINS("x-cursor-", MARK, SENSE_HTTP_CURSOR),
	EXACT("x-portkey-api-key", CREDENTIAL, SENSE_HTTP_GATEWAY), /* before its prefix */
	BEGINS("x-portkey-", MARK, SENSE_HTTP_GATEWAY),
};

/* By first letter: most lines of a head are none of these, and end here. */
static const struct group {
	const struct header *headers;
	size_t count;
} groups[26] = {
#define GROUP(letter) { with_##letter, sizeof(with_##letter) / sizeof(*with_##letter) }
	['a' - 'a'] = GROUP(a), ['c' - 'a'] = GROUP(c), ['e' - 'a'] = GROUP(e),
	['h' - 'a'] = GROUP(h), ['m' - 'a'] = GROUP(m), ['o' - 'a'] = GROUP(o),
	['p' - 'a'] = GROUP(p), ['u' - 'a'] = GROUP(u), ['x' - 'a'] = GROUP(x),
};

static const struct header *header_known(struct text name)
{
	char first = lower(name.p[0]);
	if (first < 'a' || first > 'z')
		return NULL;
	const struct group *group = &groups[first - 'a'];
	for (size_t i = 0; i < group->count; i++) {
		const struct header *header = &group->headers[i];
		if (name.n < header->len || (name.n > header->len && !header->prefix))
			continue;
		if (equal_nocase(name.p, header->name, header->len))
			return header;
	}
	return NULL;
}

static bool accepts_events(struct text value)
{
	static const char type[] = "text/event-stream";
	for (size_t i = 0; value.n - i >= sizeof(type) - 1; i++) {
		if (equal_nocase(value.p + i, type, sizeof(type) - 1))
			return true;
	}
	return false;
}

/* Of a header that is repeated the first counts, as it does for most servers. */
static void header_take(struct sense_http *out, const struct header *header, struct text value)
{
	out->markers |= header->marker;
	if (header->use == HOST && !out->host[0]) {
		host_keep(out, value);
	} else if (header->use == AGENT && !out->user_agent[0]) {
		text_keep(out->user_agent, sizeof(out->user_agent), value);
	} else if (header->use == TYPE && !out->content_type[0]) {
		const char *semicolon = value.n ? memchr(value.p, ';', value.n) : NULL;
		if (semicolon)
			value.n = (size_t)(semicolon - value.p);
		text_keep(out->content_type, sizeof(out->content_type), trim(value));
		for (char *c = out->content_type; *c; c++)
			*c = lower(*c);
	} else if (header->use == ACCEPT && accepts_events(value)) {
		out->markers |= SENSE_HTTP_ACCEPT_SSE;
	} else if (header->use == CREDENTIAL) {
		credential_value(out, value);
		if (header->marker == SENSE_HTTP_GOOGLE && value.n)
			credential_note(out, SENSE_CREDENTIAL_GOOGLE);
	}
}

/* The next header with the lines that continue it (obs-fold, RFC 9112, 5.2); false at the end. */
static bool header_next(struct text *rest, struct text *line)
{
	const char *end = rest->p + rest->n, *p = rest->p;
	do {
		const char *feed = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		p = feed ? feed + 1 : end;
	} while (p < end && (*p == ' ' || *p == '\t'));
	*line = (struct text){ rest->p, (size_t)(p - rest->p) };
	*rest = behind(*rest, p);
	return line->n > 0;
}

static void headers_read(struct sense_http *out, struct text rest)
{
	struct text line;
	while (header_next(&rest, &line)) {
		const char *colon = memchr(line.p, ':', line.n);
		struct text name = { line.p, colon ? (size_t)(colon - line.p) : 0 };
		while (name.n && is_space(name.p[name.n - 1]))
			name.n--;
		const struct header *header = name.n ? header_known(name) : NULL;
		if (header)
			header_take(out, header, trim(behind(line, colon + 1)));
	}
	if ((out->markers & SEEN_REFERER) && (out->markers & SEEN_TITLE))
		out->markers |= SENSE_HTTP_OPENROUTER;
	out->markers &= ~(SEEN_REFERER | SEEN_TITLE);
}

/* ---- the request line ---------------------------------------------------------------------- */

/* RFC 9112, 3.2: origin, absolute, authority or asterisk form. */
static void target_read(struct sense_http *out, struct text target)
{
	size_t scheme = 0;
	while (scheme < target.n && lower(target.p[scheme]) >= 'a' && lower(target.p[scheme]) <= 'z')
		scheme++;
	if (!strcmp(out->method, "CONNECT")) {
		out->absolute = true;
		host_keep(out, target);
		return;
	}
	if (scheme && target.n - scheme >= 3 && !memcmp(target.p + scheme, "://", 3)) {
		struct text authority = behind(target, target.p + scheme + 3);
		size_t n = 0;
		while (n < authority.n && !strchr("/?#", authority.p[n]))
			n++;
		target = behind(target, authority.p + n);
		authority.n = n;
		out->absolute = true;
		host_keep(out, authority);
	}
	size_t n = 0;
	while (n < target.n && target.p[n] != '?' && target.p[n] != '#')
		n++;
	if (n < target.n)
		credential_query(out, behind(target, target.p + n + 1));
	target.n = n;
	path_keep(out->path, sizeof(out->path), n ? target : (struct text){ "/", 1 });
}

/* The line's last word must be the version: other protocols write request lines too. */
static bool request_line(struct text line, struct text *method, struct text *target)
{
	static const char version[] = " HTTP/1.";
	enum { VERSION = sizeof(version) - 1 };
	line = trim(line);
	const char *space = memchr(line.p, ' ', line.n);
	if (!space || line.n < VERSION + 1)
		return false;
	const char *last = line.p + line.n - VERSION - 1;
	if (last <= space || memcmp(last, version, VERSION) || last[VERSION] < '0' || last[VERSION] > '9')
		return false;
	*method = (struct text){ line.p, (size_t)(space - line.p) };
	*target = trim((struct text){ space, (size_t)(last - space) });
	return target->n > 0;
}

bool sense_http_line_valid(const char *line, size_t len)
{
	struct text method, target;
	return request_line((struct text){ line, len }, &method, &target);
}

bool sense_http_head_read(const char *bytes, size_t len, struct sense_http *out)
{
	struct text head = { bytes, len }, method, target;
	const char *feed = memchr(head.p, '\n', head.n);
	if (!feed || !request_line((struct text){ head.p, (size_t)(feed - head.p) }, &method, &target))
		return false;
	out->path[0] = out->host[0] = out->user_agent[0] = out->content_type[0] = '\0';
	out->host_port = 0;
	out->markers = 0;
	out->credential = SENSE_CREDENTIAL_NONE;
	out->absolute = false;
	out->method[put(out->method, 0, sizeof(out->method), method.p, method.n)] = '\0';
	target_read(out, target);
	headers_read(out, behind(head, feed + 1));
	return true;
}
