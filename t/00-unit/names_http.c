/* HTTP request heads: what is told of them, in every segmentation, and that no secret is left. */
#include "core/names/http.h"

#include <stdlib.h>

#include "core/names/redact.h"
#include "t/tap.h"

static struct sense_http http;

/* One segment in a heap block of its exact size, over a struct full of rubbish. */
static enum sense_http_result segment(sense_http_state **state, uint32_t seq, const char *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, data, len);
	memset(&http, 0xaa, sizeof(http));
	enum sense_http_result result = sense_http_segment(state, seq, copy, len, &http);
	free(copy);
	return result;
}

static enum sense_http_result head(const char *text)
{
	sense_http_state *state = NULL;
	enum sense_http_result result = segment(&state, 1, text, strlen(text));
	if (state)
		sense_http_free(state);
	return result;
}

static const char *path_of(const char *target)
{
	static char text[20000];
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n\r\n", target);
	return head(text) == SENSE_HTTP_REQUEST ? http.path : NULL;
}

/* A head of one header line. */
static const struct sense_http *with(const char *line)
{
	static char text[20000];
	snprintf(text, sizeof(text), "POST /mcp HTTP/1.1\r\n%s\r\n\r\n", line);
	ok(head(text) == SENSE_HTTP_REQUEST, "%.*s", (int)strcspn(line, "\r\t\x01") % 60, line);
	return &http;
}

static const char full[] = "POST /v1/chat/completions?key=AIzaSyA0123456789abcdefg&x=1 HTTP/1.1\r\n"
			   "hOST: API.OpenAI.com:8080\r\n"
			   "User-Agent: OpenAI/Python 1.3.0\r\n"
			   "Authorization: Bearer sk-proj-SECRETSECRETSECRET\r\n"
			   "Content-Type: Application/JSON; charset=utf-8\r\n"
			   "X-Stainless-Lang: python\r\n"
			   "Accept: application/json, Text/Event-Stream\r\n"
			   "Content-Length: 10\r\n\r\n";

static bool full_is_right(void)
{
	return !strcmp(http.method, "POST") && !strcmp(http.path, "/v1/chat/completions") &&
	       !strcmp(http.host, "api.openai.com") && http.host_port == 8080 &&
	       !strcmp(http.user_agent, "OpenAI/Python 1.3.0") &&
	       !strcmp(http.content_type, "application/json") && !http.absolute &&
	       http.markers == (SENSE_HTTP_STAINLESS | SENSE_HTTP_ACCEPT_SSE) &&
	       http.credential == SENSE_CREDENTIAL_GOOGLE;
}

static void test_request(void)
{
	is_num(head(full), SENSE_HTTP_REQUEST, "a request");
	ok(full_is_right(), "is read in all its parts");
	is_num(head("GET / HTTP/1.0\n\n"), SENSE_HTTP_REQUEST, "bare line feeds, no headers");
	ok(!http.host[0] && !http.user_agent[0] && !http.content_type[0] && !http.markers && !http.credential &&
	       !http.host_port && !http.absolute, "leave the rest empty");
	is_num(head("\r\nGET /x HTTP/1.1\r\n\r\n"), SENSE_HTTP_REQUEST, "an empty line before");
	is_num(head("GET /x y HTTP/1.1\r\n\r\n"), SENSE_HTTP_REQUEST, "a space in the target");
	is_str(http.path, "/x%20y", "becomes an escape");
	is_num(head("OPTIONS * HTTP/1.1\r\n\r\n"), SENSE_HTTP_REQUEST, "asterisk form");
	is_str(http.path, "*", "is kept");
	is_num(head("BREW /pot HTTP/1.1\r\n\r\n"), SENSE_HTTP_NO, "an unknown method");
	is_num(head("GET /\r\n\r\n"), SENSE_HTTP_NO, "no version");
	is_num(head("GET HTTP/1.1\r\n\r\n"), SENSE_HTTP_NO, "no target");
	is_num(head("OPTIONS rtsp://x/ RTSP/1.0\r\n\r\n"), SENSE_HTTP_NO, "another protocol's request line");
	is_num(head("HTTP/1.1 200 OK\r\n\r\n"), SENSE_HTTP_NO, "an answer");
	is_num(head("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), SENSE_HTTP_NO, "HTTP/2");
}

static void test_host(void)
{
	is_str(with("Host: user:sk-secret@Example.com.:81")->host, "example.com", "no user, no last dot");
	is_num(http.host_port, 81, "its port");
	is_str(with("Host: [2001:DB8::1]:8443")->host, "2001:db8::1", "IPv6");
	is_num(http.host_port, 8443, "its port");
	is_str(with("Host: 2001:db8::2")->host, "2001:db8::2", "IPv6 without brackets has no port");
	is_num(http.host_port, 0, "none");
	is_num(with("Host: a.example:99999")->host_port, 0, "a port that is none");
	is_str(with("Host : spaced.example ")->host, "spaced.example", "a space before the colon");
	is_str(with("Host:\r\n\t folded.example")->host, "folded.example", "a folded line");
	is_str(with("Host: a.example\r\nHost: b.example")->host, "a.example", "the first of two");
	is_str(with("Host: a\x01\xff" "b/c")->host, "a??b?c", "no control bytes");
	char line[600] = "Host: ";
	memset(line + 6, 'a', 400);
	is_str(with(line)->host, "", "too long for a host");
	is_num(head("GET http://u:p@Proxied.example:88/v1?q#f HTTP/1.1\r\nHost: other\r\n\r\n"), SENSE_HTTP_REQUEST,
	       "absolute form");
	ok(http.absolute && !strcmp(http.host, "proxied.example") && http.host_port == 88 &&
	       !strcmp(http.path, "/v1"), "names the host, which wins");
	is_num(head("GET http://p.example?q HTTP/1.1\r\n\r\n"), SENSE_HTTP_REQUEST, "absolute form without a path");
	is_str(http.path, "/", "has the root's");
	is_num(head("CONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\n"), SENSE_HTTP_REQUEST, "CONNECT");
	ok(http.absolute && !strcmp(http.host, "api.anthropic.com") && http.host_port == 443 && !http.path[0],
	   "names the host");
}

static void test_path(void)
{
	static char target[2000];
	is_str(path_of("/a/b?c=d"), "/a/b", "no query");
	is_str(path_of("/a#b"), "/a", "no fragment");
	is_str(path_of("/%76%31/Chat%2fx%c3%A9\xc3\xa9%zz%"), "/v1/Chat%2Fx%C3%A9%C3%A9%zz%", "escapes are normal");
	is_str(path_of("/a\x01\x7f\"b"), "/a%01%7F\"b", "no control bytes");
	memset(target, 'a', 1500);
	for (unsigned i = 0; i < 1500; i += 10)
		target[i] = '/';
	is_num(strlen(path_of(target)), 511, "a long path is cut");
	target[503] = '/';
	memcpy(target + 504, "x%01%02%03%04", 13);
	path_of(target);
	is_str(strrchr(http.path, '/'), "/x%01%02", "not within an escape");
}

static void test_redaction(void)
{
	is_str(path_of("/v1/keys/sk-abcdef123456/usage"), "/v1/keys/~redacted~/usage", "an API key in the path");
	is_str(path_of("/%73%6b-abcdef123456"), "/~redacted~", "hidden by escapes");
	is_str(path_of("/x%3Dsk-abcdef123456/y"), "/~redacted~/y", "behind an escape");
	is_str(path_of("/t;token=hf_abcdefghijkl"), "/~redacted~", "within a segment");
	is_str(path_of("/key-abc123def456"), "/~redacted~", "key-...");
	is_str(path_of("/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"), "/~redacted~", "a JSON Web Token");
	is_str(path_of("/api/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
	       "/api/blobs/~redacted~", "long hex");
	is_str(path_of("/c/Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYg"), "/c/~redacted~", "long base64");
	static const char *const plain[] = {
		"/v1/chat/completions", "/api/generate", "/key-management/sk-learn", "/sk-SK/", "/risk-assessment-of-it",
		"/v1beta/models/gemini-2.5-flash-preview-09-2025:streamGenerateContent", "/mcp",
		"/c/123e4567-e89b-12d3-a456-426614174000", "/0123456789abcdef0123456789abcdef01234567",
		"/blog/how-to-write-a-very-long-title-of-an-article-in-2025", "/hf_models",
		"/openai/deployments/gpt-4o-mini/chat/completions" };
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		is_str(path_of(plain[i]), plain[i], "not a secret: %s", plain[i]);
	is_str(with("User-Agent: tool/1.0 (sk-ant-api03-abcdef; x)")->user_agent, "tool/1.0 (~redacted~; x)",
	       "a key in the user agent");
	is_str(with("User-Agent:  a\tb \r\n c\x01\xe9  ")->user_agent, "a b c??", "a user agent is cleaned");
	ok(sense_secret_within("ghp_0123456789abcdef", 20) && !sense_secret_within("", 0), "shapes alone");
}

static void test_credentials(void)
{
	static const struct { const char *line; int kind; } cases[] = {
		{ "Authorization: Bearer sk-proj-abc", SENSE_CREDENTIAL_OPENAI },
		{ "authorization:bearer\tsk-ant-abc", SENSE_CREDENTIAL_ANTHROPIC },
		{ "X-API-Key: sk-ant-abc", SENSE_CREDENTIAL_ANTHROPIC },
		{ "x-api-key: whatever", SENSE_CREDENTIAL_OTHER },
		{ "x-goog-api-key: whatever", SENSE_CREDENTIAL_GOOGLE },
		{ "Authorization: Bearer AIzaSy", SENSE_CREDENTIAL_GOOGLE },
		{ "Authorization: Bearer hf_abc", SENSE_CREDENTIAL_HUGGINGFACE },
		{ "Authorization: token ghp_abc", SENSE_CREDENTIAL_GITHUB },
		{ "Authorization: Bearer gho_abc", SENSE_CREDENTIAL_GITHUB },
		{ "Authorization: Bearer tid=1;exp=2", SENSE_CREDENTIAL_GITHUB },
		{ "Authorization: Basic dTpw", SENSE_CREDENTIAL_OTHER },
		{ "Authorization: Bearer ollama\r\nx-api-key: sk-abc", SENSE_CREDENTIAL_OPENAI },
		{ "x-api-key: sk-abc\r\nAuthorization: Bearer ollama", SENSE_CREDENTIAL_OPENAI },
		{ "Authorization:\r\n Bearer\r\n sk-abc", SENSE_CREDENTIAL_OPENAI },
		{ "Authorization: Bearer ", SENSE_CREDENTIAL_NONE },
		{ "Authorization:", SENSE_CREDENTIAL_NONE },
		{ "X-Other: sk-abc", SENSE_CREDENTIAL_NONE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_num(with(cases[i].line)->credential, cases[i].kind, "  its kind");
	path_of("/v1?a=b&api_key=sk-abcdefghijkl");
	is_num(http.credential, SENSE_CREDENTIAL_OPENAI, "a key in the query");
	path_of("/v1?a=b&c");
	is_num(http.credential, SENSE_CREDENTIAL_NONE, "a query without");
}

static void test_markers(void)
{
	static const struct { const char *line; uint32_t markers; } cases[] = {
		{ "Mcp-Session-Id: 1", SENSE_HTTP_MCP_SESSION },
		{ "MCP-Protocol-Version: 2025-06-18", SENSE_HTTP_MCP_VERSION },
		{ "Mcp-Method: tools/call", SENSE_HTTP_MCP_METHOD },
		{ "Mcp-Name: x", SENSE_HTTP_MCP_METHOD },
		{ "anthropic-version: 2023-06-01", SENSE_HTTP_ANTHROPIC },
		{ "Anthropic-Beta: x", SENSE_HTTP_ANTHROPIC },
		{ "OpenAI-Organization: x", SENSE_HTTP_OPENAI },
		{ "OpenAI-Beta: x", SENSE_HTTP_OPENAI },
		{ "OpenAI-Project: x", SENSE_HTTP_OPENAI },
		{ "x-goog-api-key: x", SENSE_HTTP_GOOGLE },
		{ "api-key: x", SENSE_HTTP_AZURE },
		{ "X-Stainless-Runtime: x", SENSE_HTTP_STAINLESS },
		{ "X-Stainless-Package-Version: 1", SENSE_HTTP_STAINLESS },
		{ "HTTP-Referer: x\r\nX-Title: y", SENSE_HTTP_OPENROUTER },
		{ "HTTP-Referer: x", 0 },
		{ "X-Title: y", 0 },
		{ "Copilot-Integration-Id: x", SENSE_HTTP_COPILOT },
		{ "Editor-Plugin-Version: x", SENSE_HTTP_COPILOT },
		{ "x-cursor-checksum: x", SENSE_HTTP_CURSOR },
		{ "x-cursor-client-version: x", SENSE_HTTP_CURSOR },
		{ "Helicone-Auth: Bearer x", SENSE_HTTP_GATEWAY },
		{ "x-portkey-provider: x", SENSE_HTTP_GATEWAY },
		{ "x-portkey-api-key: x", SENSE_HTTP_GATEWAY },
		{ "cf-aig-authorization: Bearer x", SENSE_HTTP_GATEWAY },
		{ "ACCEPT: text/html,TEXT/event-stream;q=1", SENSE_HTTP_ACCEPT_SSE },
		{ "Accept: text/event-strea", 0 },
		{ "api-keys: x\r\nmcp-session: x\r\nx-openai-beta: x\r\nno colon\r\n: x", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_num(with(cases[i].line)->markers, cases[i].markers, "  its marker");
}

static void test_segments(void)
{
	size_t len = sizeof(full) - 1;
	unsigned bad = 0;
	uint32_t start = UINT32_MAX - 100;
	for (size_t step = 1; step < len; step++) {
		sense_http_state *state = NULL;
		enum sense_http_result result = SENSE_HTTP_MORE;
		for (size_t at = 0; at < len && result == SENSE_HTTP_MORE; at += step) {
			size_t n = len - at < step ? len - at : step;
			if (at) /* sent again, with one byte from before */
				bad += segment(&state, start + (uint32_t)at - 1, full + at - 1, 1) != SENSE_HTTP_MORE;
			result = segment(&state, start + (uint32_t)at, full + at, n);
		}
		bad += result != SENSE_HTTP_REQUEST || state || !full_is_right();
		sense_http_free(state);
	}
	is_num(bad, 0, "segments of every size");
	sense_http_state *state = NULL;
	is_num(segment(&state, 1, full, 100), SENSE_HTTP_MORE, "half a head");
	is_num(segment(&state, 102, full + 101, len - 101), SENSE_HTTP_NO, "a gap gives up");
	ok(!state, "and keeps nothing");
	is_num(segment(&state, 1, "GET /index.html SIP/2.0\r\nmore", 29), SENSE_HTTP_NO,
	       "not collected when the line is wrong");
	ok(!state, "nothing kept");
	is_num(segment(&state, 1, "PO", 2), SENSE_HTTP_MORE, "half a method");
	is_num(segment(&state, 3, "ODLE x", 6), SENSE_HTTP_NO, "that becomes none");
	is_num(segment(&state, 1, "", 0), SENSE_HTTP_NO, "nothing");
}

static void test_bound(void)
{
	static char text[40000];
	sense_http_state *state = NULL;
	size_t n = (size_t)sprintf(text, "GET /v1/models HTTP/1.1\r\nHost: big.example\r\nCookie: ");
	memset(text + n, 'c', 30000);
	strcpy(text + n + 30000, "\r\nUser-Agent: late\r\n\r\n");
	is_num(head(text), SENSE_HTTP_REQUEST, "a head over the bound in one segment");
	ok(!strcmp(http.host, "big.example") && !http.user_agent[0], "is read as far as the bound");
	enum sense_http_result result = SENSE_HTTP_MORE;
	size_t at = 0;
	for (; result == SENSE_HTTP_MORE && at < 30000; at += 1000)
		result = segment(&state, (uint32_t)at, text + at, 1000);
	ok(result == SENSE_HTTP_REQUEST && at == 17000 && !state, "in many too");
	is_str(http.host, "big.example", "with what came");
	memset(text + 4, 'x', 30000);
	result = SENSE_HTTP_MORE;
	for (at = 0; result == SENSE_HTTP_MORE && at < 30000; at += 1000)
		result = segment(&state, (uint32_t)at, text + at, 1000);
	ok(result == SENSE_HTTP_NO && at == 17000 && !state, "a request line over the bound is none");
}

static void test_looks(void)
{
	static const char *const yes[] = { "GET /", "POST /x", "\r\nPUT ", "G", "DELE", "M-SEARCH *" };
	static const char *const no[] = { "", "\r\n", "get /", "GETX",
		 "GE T", "\x16\x03\x01", "HTTP/1.1 200", "{}" };
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		ok(sense_http_looks_like_request((const uint8_t *)yes[i], strlen(yes[i])), "looks like one");
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		ok(!sense_http_looks_like_request((const uint8_t *)no[i], strlen(no[i])), "does not: case %zu", i);
}

/* Whatever place a key is in, no part of the result holds it, the bytes behind strings included. */
static void test_no_secret(void)
{
	static const char key[] = "sk-ant-SECRETKEYVALUE0123456789";
	static const char *const places[] = {
		"GET /%s HTTP/1.1\r\n\r\n", "GET /a/%s/b?%s HTTP/1.1\r\n\r\n", "GET /a?k=%s#%s HTTP/1.1\r\n\r\n",
		"GET http://%s@h/%s HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nAuthorization: Bearer %s\r\n%s: x\r\n\r\n",
		"GET / HTTP/1.1\r\nUser-Agent: x/%s (%s)\r\n\r\n", "GET / HTTP/1.1\r\nHost: u:%s@h\r\nCookie: %s\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Type: a/b; x=%s\r\nX-Y: %s\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Type: %s\r\n %s\r\n\r\n", "POST / HTTP/1.1\r\n\r\n{\"k\":\"%s%s\"}" };
	char text[600];
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(text, sizeof(text), places[i], key, key);
		is_num(head(text), SENSE_HTTP_REQUEST, "a key somewhere: case %zu", i);
		ok(!memmem(&http, sizeof(http), "SECRET", 6) && !memmem(&http, sizeof(http), "secret", 6), "is gone");
	}
}

int main(void)
{
	test_request();
	test_host();
	test_path();
	test_redaction();
	test_credentials();
	test_markers();
	test_segments();
	test_bound();
	test_looks();
	test_no_secret();
	return tap_done();
}
