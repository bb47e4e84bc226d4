/*
 * What in a configuration is a secret, judged by its name and its shape. Values are looked at here and
 * not kept. It errs towards 'secret' where a text would leave (command, URL), and towards 'no secret'
 * where a name would be reported: MAX_TOKENS is none.
 */
#include "mcp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Behind these words of a name stands a secret; '^' only as the name's last word. */
static const char *const names[] = {
    "TOKEN",  "SECRET",        "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "COOKIE",
    "BEARER", "AUTHORIZATION", "^KEY",     "^PAT",   "^PWD",       "^PASS",      "^AUTH",  NULL};
/* ... but not when the name goes on like this. */
static const char *const harmless[] = {"TOKENS",    "PUBLIC", "_FILE", "_PATH", "_DIR",   "_URL",   "_URI",
                                       "_ENDPOINT", "_NAME",  "_ID",   "_TYPE", "_LIMIT", "_COUNT", NULL};
/* How keys of well-known services begin, and how long one is at least. */
static const struct {
	const char *begin;
	unsigned least;
} shapes[] = {
    {"sk-", 20},       {"sk_live_", 20}, {"sk_test_", 20},    {"ghp_", 20},     {"gho_", 20},
    {"ghs_", 20},      {"ghu_", 20},     {"github_pat_", 20}, {"glpat-", 16},   {"xoxb-", 16},
    {"xoxp-", 16},     {"xoxa-", 16},    {"xapp-", 16},       {"AKIA", 20},     {"ASIA", 20},
    {"AIza", 30},      {"hf_", 20},      {"eyJ", 30},         {"npm_", 20},     {"pypi-", 20},
    {"dop_v1_", 20},   {"SG.", 30},      {"ya29.", 20},       {"gsk_", 20},     {"xai-", 20},
    {"pplx-", 20},     {"r8_", 20},      {"tvly-", 16},       {"lin_api_", 20}, {"ntn_", 20},
    {"secret_", 20},   {"figd_", 16},    {"sbp_", 20},        {"fc-", 20},      {"AGE-SECRET-KEY-", 30},
    {"-----BEGIN", 10}};
static const char *const placeholders[] = {"your",        "changeme",    "change-me", "change_me", "replace",
                                           "example",     "placeholder", "insert",    "dummy",     "redacted",
                                           "secret-here", "token-here",  "key-here",  "<",         "...",
                                           "xxxx",        "****",        NULL};
static const char *const references[] = {
    "${",   "{{",     "$(",    "op://",   "vault:",   "keychain:", "keyring:",
    "env:", "input:", "file:", "secret:", "secrets.", "aws-sm://", NULL};

static bool holds(const char *text, const char *word)
{
	return strcasestr(text, word) != NULL;
}

static bool ends_with_word(const char *name, const char *word)
{
	size_t n = strlen(name), w = strlen(word);
	if (n < w || strcasecmp(name + n - w, word))
		return false;
	return n == w || !isalpha((unsigned char)name[n - w - 1]) ||
	       (islower((unsigned char)name[n - w - 1]) && isupper((unsigned char)name[n - w]));
}

static bool name_is_secret(const char *name)
{
	for (unsigned i = 0; harmless[i]; i++)
		if (harmless[i][0] == '_' ? ends_with_word(name, harmless[i] + 1) : holds(name, harmless[i]))
			return false;
	for (unsigned i = 0; names[i]; i++)
		if (names[i][0] == '^' ? ends_with_word(name, names[i] + 1) : holds(name, names[i]))
			return true;
	return false;
}

bool mcp_looks_secret(const char *text)
{
	for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (!strncmp(text, shapes[i].begin, strlen(shapes[i].begin)) &&
		    strlen(text) >= shapes[i].least)
			return true;
	return false;
}

/* A name may go on with what a key begins with: "my-sk-tool" holds none. */
static bool within_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

bool mcp_holds_secret(const char *text)
{
	for (const char *c = text; *c; c++)
		if ((c == text || !within_name(c[-1])) && mcp_looks_secret(c))
			return true;
	return false;
}

/* "Bearer x": the scheme says nothing about x. */
static const char *past_scheme(const char *value)
{
	static const char *const schemes[] = {"Bearer ", "Basic ", "Token ", "ApiKey ", NULL};
	for (unsigned i = 0; schemes[i]; i++)
		if (!strncasecmp(value, schemes[i], strlen(schemes[i])))
			value += strlen(schemes[i]);
	while (*value == ' ')
		value++;
	return value;
}

static bool is_reference(const char *value)
{
	size_t n = strlen(value);
	if (value[0] == '$' || (value[0] == '%' && n > 2 && value[n - 1] == '%'))
		return true;
	for (unsigned i = 0; references[i]; i++)
		if (!strncasecmp(value, references[i], strlen(references[i])) ||
		    (references[i][1] == '{' && strstr(value, references[i])))
			return true;
	return false;
}

static bool is_placeholder(const char *value)
{
	size_t n = strlen(value);
	if (n < 4 || strspn(value, value[0] ? (char[]){value[0], '\0'} : "") == n)
		return true;
	for (unsigned i = 0; placeholders[i]; i++)
		if (holds(value, placeholders[i]))
			return true;
	if (!strcasecmp(value, "true") || !strcasecmp(value, "false") || !strcasecmp(value, "none") ||
	    !strcasecmp(value, "null"))
		return true;
	return n < 8 && strspn(value, "0123456789") == n;
}

/* Where a secret is kept is none. */
static bool is_path(const char *value)
{
	return !strncmp(value, "~/", 2) || !strncmp(value, "./", 2) ||
	       (value[0] == '/' && strchr(value + 1, '/'));
}

/* scheme://user:password@host, unless the password is a reference. */
static bool has_password(const char *value)
{
	const char *at, *begin = strstr(value, "://"), *colon;
	if (!begin)
		return false;
	begin += 3;
	at = begin + strcspn(begin, "/?# ");
	while (at > begin && *at != '@')
		at--;
	colon = memchr(begin, ':', (size_t)(at - begin));
	return *at == '@' && colon && at - colon > 1 && colon[1] != '$' && colon[1] != '{' && colon[1] != '<';
}

/* Parts of a URL are looked at one by one, where it is cleaned. */
static bool gives_away(const char *text)
{
	return mcp_looks_secret(past_scheme(text)) || has_password(text) ||
	       (!strstr(text, "://") && mcp_holds_secret(text));
}

bool mcp_is_secret(const char *name, const char *value)
{
	if (has_password(value))
		return true;
	value = past_scheme(value);
	if (is_reference(value) || is_placeholder(value))
		return false;
	if (mcp_looks_secret(value))
		return true;
	return name_is_secret(name) && !is_path(value) && !strstr(value, "://");
}

void mcp_add_name(char *list, size_t room, const char *name)
{
	name = mcp_looks_secret(name) ? MCP_REDACTED : name;
	size_t used = strlen(list), n = strlen(name);
	for (const char *at = list; n && (at = strstr(at, name)); at++)
		if ((at == list || at[-1] == ',') && (at[n] == ',' || !at[n]))
			return;
	if (n && used + n + 2 <= room)
		snprintf(list + used, room - used, "%s%s", used ? "," : "", name);
}

/* ---- command lines -------------------------------------------------------------------------------- */

static void append(char *line, size_t room, const char *text, size_t len)
{
	size_t used = strlen(line);
	if (used + 1 >= room)
		return;
	if (len > room - used - 1)
		len = room - used - 1;
	memcpy(line + used, text, len);
	line[used + len] = '\0';
}

static void append_text(char *line, size_t room, const char *text)
{
	append(line, room, text, strlen(text));
}

/* The name in "--api-key=v", "API_KEY=v", "X-Api-Key: v": its length, 0 when there is none. */
static size_t assigned(const char *arg, const char **value)
{
	size_t n = strcspn(arg, "=: ");
	if (!n || n > 96 || !arg[n] || arg[n] == ' ' || !strncmp(arg + n, "://", 3))
		return 0;
	*value = arg + n + 1;
	while (**value == ' ')
		++*value;
	return n;
}

static void append_url(char *line, size_t room, const char *url, char *found, size_t found_room)
{
	char clean[512], host[256];
	mcp_clean_url(url, clean, sizeof clean, host, sizeof host, found, found_room);
	append_text(line, room, clean);
}

static void append_words(char *line, size_t room, const char *text, char *found, size_t found_room);

/* Behind an option, unless it is another one. */
static bool takes_value(const char *option, const char *word)
{
	return option[0] == '-' && !strchr(option, '=') && strncmp(word, "--", 2) &&
	       (word[0] != '-' || name_is_secret(option));
}

/* --config={"apiKey": "..."}: nothing of the object leaves but names. */
static void append_object(char *line, size_t room, const char *arg, char *found, size_t found_room)
{
	const char *object = strchr(arg, '{'), *fault, *name;
	json_t *root = mcp_json(object, strlen(object), false, &fault), *member;
	json_object_foreach(root, name, member)
	{
		const char *text = json_string_value(member);
		if (text && mcp_is_secret(name, text))
			mcp_add_name(found, found_room, name);
	}
	json_decref(root);
	if (object > arg && object[-1] != ' ')
		append(line, room, arg, strcspn(arg, " {"));
	append_text(line, room, MCP_REDACTED);
}

/* One argument as it may leave; option: the one before it that takes it for its value, or "". */
static void append_argument(char *line, size_t room, const char *arg, const char *option, char *found,
                            size_t found_room)
{
	char name[100];
	const char *value = arg;
	size_t n = assigned(arg, &value);
	snprintf(name, sizeof name, "%.*s", (int)n, arg);
	if (mcp_looks_secret(arg) && !strchr(arg, ' ')) {
		mcp_add_name(found, found_room, option[0] ? option : "argument");
		append_text(line, room, MCP_REDACTED);
	} else if (option[0] && name_is_secret(option)) {
		if (mcp_is_secret(option, arg))
			mcp_add_name(found, found_room, option);
		append_text(line, room, is_reference(arg) ? arg : MCP_REDACTED);
	} else if (strchr(arg, '{') && strchr(arg, '"')) {
		append_object(line, room, arg, found, found_room);
	} else if (n && !mcp_holds_secret(name) && (name_is_secret(name) || gives_away(value))) {
		if (mcp_is_secret(name, value))
			mcp_add_name(found, found_room, name + strspn(name, "-"));
		append(line, room, arg, (size_t)(value - arg));
		append_text(line, room, is_reference(past_scheme(value)) ? value : MCP_REDACTED);
	} else if (strchr(arg, ' ')) {
		append_words(line, room, arg, found, found_room);
	} else if (gives_away(arg) || mcp_holds_secret(name)) {
		mcp_add_name(found, found_room, "argument");
		append_text(line, room, MCP_REDACTED);
	} else if (strstr(arg, "://")) {
		size_t before = (size_t)(value - arg);
		append(line, room, arg, n ? before : 0);
		append_url(line, room, n ? value : arg, found, found_room);
	} else {
		append_text(line, room, arg);
	}
}

/* An argument that is a line of its own, for a shell: no word of it has a blank, so it ends here. */
static void append_words(char *line, size_t room, const char *text, char *found, size_t found_room)
{
	char copy[2048];
	const char *words[MCP_ARGS_MAX];
	snprintf(copy, sizeof copy, "%s", text);
	for (char *c = copy; *c; c++)
		if (*c == '"' || *c == '\'')
			*c = ' ';
	unsigned count = mcp_words(copy, words, MCP_ARGS_MAX);
	for (unsigned i = 0; i < count; i++) {
		bool option = i && takes_value(words[i - 1], words[i]);
		char name[100];
		snprintf(name, sizeof name, "%s", option ? words[i - 1] + strspn(words[i - 1], "-") : "");
		/* "Authorization: Bearer x" in a line has come apart at its blanks. */
		for (unsigned back = 1; back <= 2 && back <= i; back++)
			if (strchr(words[i - back], ':') && !strchr(words[i - back], ':')[1])
				snprintf(name, sizeof name, "%.*s", (int)strcspn(words[i - back], ":"),
				         words[i - back]);
		if (i && (!strcasecmp(words[i - 1], "bearer") || !strcasecmp(words[i - 1], "basic")))
			snprintf(name, sizeof name, "Authorization");
		if (i)
			append_text(line, room, " ");
		append_argument(line, room, words[i], name, found, found_room);
	}
	explicit_bzero(copy, sizeof copy);
}

void mcp_command_line(const char *const *argv, unsigned count, char *line, size_t room, char *found,
                      size_t found_room)
{
	line[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		const char *before = i ? argv[i - 1] : "";
		if (i)
			append_text(line, room, " ");
		append_argument(line, room, argv[i],
		                takes_value(before, argv[i]) ? before + strspn(before, "-") : "", found,
		                found_room);
	}
}

/* ---- URLs (RFC 3986) ------------------------------------------------------------------------------- */

/* Some services put the key into the path: a long segment of letters and digits. */
static bool segment_is_secret(const char *segment, size_t n)
{
	unsigned digits = 0, letters = 0;
	for (size_t i = 0; i < n; i++) {
		digits += isdigit((unsigned char)segment[i]) != 0;
		letters += isalpha((unsigned char)segment[i]) != 0;
	}
	return n >= 20 && digits >= 3 && letters >= 3;
}

static void append_path(char *clean, size_t room, const char *path, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = 1;
		while (at + n < len && path[at + n] != '/')
			n++;
		append(clean, room, path + at, 1);
		if (segment_is_secret(path + at + 1, n - 1) || mcp_looks_secret(path + at + 1))
			append_text(clean, room, MCP_REDACTED);
		else
			append(clean, room, path + at + 1, n - 1);
		at += n;
	}
}

static void query_names(const char *query, char *found, size_t found_room)
{
	char name[100], value[512];
	while (*query && *query != '#') {
		size_t n = strcspn(query, "&#"), eq = strcspn(query, "=&#");
		snprintf(name, sizeof name, "%.*s", (int)(eq < 99 ? eq : 99), query);
		snprintf(value, sizeof value, "%.*s",
		         (int)(eq < n ? (n - eq - 1 < 511 ? n - eq - 1 : 511) : 0), query + eq + (eq < n));
		if (mcp_is_secret(name, value))
			mcp_add_name(found, found_room, name);
		explicit_bzero(value, sizeof value);
		query += n + (query[n] == '&');
	}
}

void mcp_clean_url(const char *url, char *clean, size_t room, char *host, size_t host_room, char *found,
                   size_t found_room)
{
	static const char of_scheme[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-";
	static const char of_host[] = "abcdefghijklmnopqrstuvwxyz0123456789._-:[]";
	size_t scheme = strspn(url, of_scheme);
	const char *begin = url + (strncmp(url + scheme, "://", 3) ? 0 : scheme + 3);
	clean[0] = host[0] = '\0';
	const char *end = begin + strcspn(begin, "/?#"), *name = end;
	while (name > begin && name[-1] != '@')
		name--;
	if (has_password(url))
		mcp_add_name(found, found_room, "url");
	const char *stop = *name == '[' ? memchr(name, ']', (size_t)(end - name)) : NULL;
	size_t n = stop ? (size_t)(stop + 1 - name) : strcspn(name, ":/?#");
	snprintf(host, host_room, "%.*s", (int)(n < host_room ? n : host_room - 1), name);
	for (char *c = host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (host[strspn(host, of_host)])
		host[0] = '\0';
	append(clean, room, url, (size_t)(begin - url));
	append(clean, room, name, (size_t)(end - name));
	append_path(clean, room, end, strcspn(end, "?#"));
	if (end[strcspn(end, "?#")] == '?')
		query_names(strchr(end, '?') + 1, found, found_room);
}
