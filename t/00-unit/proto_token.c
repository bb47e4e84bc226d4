#include <stdlib.h>

#include "proto/token.h"
#include "t/tap.h"

static struct sense_token sample(void)
{
	struct sense_token token = {
	    .id = {1, 2, [15] = 0xff},
	    .secret = {0xfb, 0xff, [15] = 9},
	    .ca = {0xaa, [31] = 0x55},
	    .server_count = 3,
	    .servers = {"sense.example:8443", "192.0.2.1:443", "[2001:db8::1]:65535"}};
	return token;
}

/* The text on the heap, so that a sanitizer sees the first byte too many. */
static bool decode(const char *text, size_t len, struct sense_token *out, const char **why)
{
	char *copy = malloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	*why = NULL;
	bool good = sense_token_decode(copy, out, why);
	free(copy);
	return good;
}

static void round_trip(char *text, size_t *len)
{
	struct sense_token token = sample(), got;
	char again[SENSE_TOKEN_TEXT_MAX + 1], longer[SENSE_TOKEN_TEXT_MAX + 8];
	const char *why;

	*len = sense_token_encode(&token, text, &why);
	ok(*len && !why && strlen(text) == *len && !strncmp(text, "sense1.AQECA", 12), "a token: %s", text);
	bool good = decode(text, *len, &got, &why);
	ok(good && !why, "is read: %s", why ? why : "");
	ok(!memcmp(&got, &token, sizeof(got)), "as it was");
	ok(sense_token_encode(&got, again, &why) == *len && !strcmp(again, text),
	   "and is the same text again");
	snprintf(longer, sizeof(longer), "\n \t%s\r\n", text);
	ok(decode(longer, strlen(longer), &got, &why) && !memcmp(&got, &token, sizeof(got)),
	   "blanks around it are left out");
}

/* It cannot be said in a token, and why has this word in it. */
static void not_said(const struct sense_token *token, const char *word, const char *what)
{
	char text[SENSE_TOKEN_TEXT_MAX + 1];
	const char *why = NULL;
	size_t len = sense_token_encode(token, text, &why);
	ok(!len && why && strstr(why, word), "%s: %s", what, why ? why : "said");
}

static void lengths(void)
{
	struct sense_token token = sample(), got;
	char text[SENSE_TOKEN_TEXT_MAX + 1];
	const char *why;
	size_t len;
	bool good = true;

	/* Each remainder by three of the bytes, so each end of base64. */
	token.server_count = 1;
	for (unsigned name = 1; name <= 60; name++) {
		memset(token.servers[0], 'h', name);
		memcpy(token.servers[0] + name, ":1", 3);
		len = sense_token_encode(&token, text, &why);
		good =
		    good && len && decode(text, len, &got, &why) && !strcmp(got.servers[0], token.servers[0]);
	}
	ok(good, "names of each length");
	token.server_count = 8;
	for (unsigned i = 0; i < 8; i++)
		snprintf(token.servers[i], sizeof(token.servers[i]), "%u.%060d.example.com:443", i, 0);
	ok(sense_token_encode(&token, text, &why) && strlen(text) < SENSE_TOKEN_TEXT_MAX, "eight servers");
	/* The largest that fits: 697 bytes of servers behind 66. */
	for (unsigned i = 0; i < 3; i++)
		snprintf(token.servers[i], sizeof(token.servers[i]), "%054d.%060d.%060d.%046d.a:443", 1, 0, 0,
		         0);
	token.server_count = 3;
	len = sense_token_encode(&token, text, &why);
	ok(len && len <= SENSE_TOKEN_TEXT_MAX && decode(text, len, &got, &why), "a long one of %zu bytes",
	   len);
	token.server_count = 4;
	snprintf(token.servers[3], sizeof(token.servers[3]), "%060d.x:1", 0);
	not_said(&token, "too long", "one too long");
	token.server_count = 9;
	not_said(&token, "eight", "nine servers");
	token.server_count = 0;
	not_said(&token, "one server", "none");
	token = sample();
	strcpy(token.servers[1], "nowhere");
	not_said(&token, "host:port", "a server that is none");
}

static void refuses(const char *text, const char *word, const char *what)
{
	struct sense_token got;
	const char *why;
	bool taken = decode(text, strlen(text), &got, &why);
	ok(!taken && why && strstr(why, word), "%s: %s", what, why ? why : "taken");
}

static void pasted(const char *text, size_t len)
{
	struct sense_token got;
	char other[2100];
	const char *why;
	unsigned taken = 0;

	for (size_t i = 0; i < len; i++) {
		taken += decode(text, i, &got, &why) || !why;
		taken += i && (decode(text + i, len - i, &got, &why) || !why);
	}
	is_num(taken, 0, "half a token is refused with a reason, whichever half and however long");
	refuses("", "empty", "nothing");
	refuses(" \n", "empty", "a blank");
	refuses("sen", "only its beginning", "three characters");
	refuses("sense1.", "only its beginning", "the prefix");
	refuses("sense2.AQ", "does not begin", "another prefix");
	refuses(text + 20, "beginning was not copied", "the second half");
	snprintf(other, sizeof(other), "%.*s", 63, text);
	refuses(other, "only a part", "the first half");
	snprintf(other, sizeof(other), "%.*s", (int)len - 4, text);
	refuses(other, "end was not copied", "all but four characters");
	snprintf(other, sizeof(other), "%.40s\n%s", text, text + 40);
	refuses(other, "line break", "one wrapped by a terminal");
	snprintf(other, sizeof(other), "%s %s", text, text);
	refuses(other, "line break", "two of them");
	snprintf(other, sizeof(other), "%s==", text);
	refuses(other, "no token has", "padding");
	snprintf(other, sizeof(other), "%sAAAA", text);
	refuses(other, "behind its end", "four characters too many");
	memset(other, 'A', 1100);
	memcpy(other, "sense1.", 7);
	other[1100] = '\0';
	refuses(other, "longer", "1100 characters");
	refuses("sense1.Ag", "version", "a later version");
	refuses("sense1.AR", "not whole", "bits behind the last byte");
	refuses("sense1.A", "not whole", "one character");
}

static void flip(const char *text, size_t len)
{
	struct sense_token got;
	char copy[SENSE_TOKEN_TEXT_MAX + 1], again[SENSE_TOKEN_TEXT_MAX + 1];
	unsigned silent = 0, unlike = 0;
	const char *why;

	for (size_t i = 0; i < len; i++)
		for (unsigned c = 1; c < 256; c++) {
			memcpy(copy, text, len + 1);
			copy[i] = (char)c;
			if (!decode(copy, len, &got, &why))
				silent += !why;
			else if (i && i + 1 < len) /* a blank at either end may be left out */
				unlike += !sense_token_encode(&got, again, &why) || strcmp(again, copy);
		}
	is_num(silent, 0, "each changed character is taken, or refused with a reason");
	is_num(unlike, 0, "and what is taken has one text only");
}

static void servers(void)
{
	static const char *const good[] = {
	    "a:1",       "sense.example.com:8443", "a_b.x-y:65535", "127.0.0.1:443",
	    "[::1]:443", "[::ffff:192.0.2.1]:1",   "1a:2",          "XN--P1AI:80"};
	static const char *const bad[] = {
	    "",       ":1",          "a",          "a:",      "a:0",         "a:65536",
	    "a:01",   "a:1x",        "a:99999",    "a b:1",   "::1:443",     "[::1]",
	    "[::1]:", "[::1]:0",     "[::1:443",   "[a]:443", "[::1%lo]:1",  "a..b:1",
	    ".a:1",   "a.:1",        "-a:1",       "a-:1",    "1.2.3:1",     "256.1.1.1:1",
	    "a/b:1",  "https://a:1", "\xc3\xbc:1", "a:1\n",   "[1.2.3.4]:1", "a:+1"};
	char text[300];
	const char *why;
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ok(sense_token_is_server(good[i], &why), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		why = NULL;
		if (sense_token_is_server(bad[i], &why) || !why) {
			wrong++;
			fprintf(stderr, "# taken: '%s'\n", bad[i]);
		}
	}
	is_num(wrong, 0, "%zu that are none are refused with a reason", sizeof(bad) / sizeof(*bad));
	memset(text, 'a', sizeof(text));
	memcpy(text + 253, ":443", 5);
	ok(!sense_token_is_server(text, &why), "one that is too long");
	memcpy(text + 64, ":443", 5);
	ok(!sense_token_is_server(text, &why), "a label of 64");
	memcpy(text + 63, ":443", 5);
	ok(sense_token_is_server(text, &why), "one of 63");
}

int main(void)
{
	char text[SENSE_TOKEN_TEXT_MAX + 1];
	size_t len;

	round_trip(text, &len);
	lengths();
	pasted(text, len);
	flip(text, len);
	servers();
	return tap_done();
}
