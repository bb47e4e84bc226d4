#include "core/names/command.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/names/redact.h"
#include "proto/wire.h"

#define NAME_MAX_LEN 96u
#define ENDING "..."

struct line {
	char *out;
	size_t len, room; /* without the NUL */
	bool full;
	bool secret_next; /* what was read names a secret that follows */
	bool named;       /* ... if ':' or '=' comes first */
	bool credentials; /* the next is user:password */
};

/* ---- writing --------------------------------------------------------------------------------- */

static void put(struct line *line, const char *text, size_t len)
{
	line->full |= len > line->room - line->len;
	if (line->full)
		return;
	memcpy(line->out + line->len, text, len);
	line->len += len;
}

/* C1 controls, and what changes direction or breaks lines (Unicode, Bidi_Control, LS, PS, BOM). */
static bool turns(const uint8_t *p, size_t n)
{
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (n != 3)
		return false;
	uint32_t c = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) ||
	       c == 0xfeff;
}

static void put_character(struct line *line, const char *text, size_t left, size_t *used)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char c = (unsigned char)*text;
	*used = 1;
	if (c < 0x20 || c == 0x7f) {
		char escape[4] = {'\\',
		                  c == '\n'   ? 'n'
		                  : c == '\t' ? 't'
		                              : 'x',
		                  digits[c >> 4], digits[c & 15]};
		put(line, escape, escape[1] == 'x' ? 4 : 2);
		return;
	}
	size_t n = c < 0x80 ? 1 : sense_utf8_char(text, left);
	if (!n || turns((const uint8_t *)text, n)) {
		*used = n ? n : 1;
		put(line, "\xef\xbf\xbd", 3);
		return;
	}
	*used = n;
	if (c == '\'')
		put(line, "'\\''", 4);
	else
		put(line, text, n);
}

static void put_plain(struct line *line, const char *text, size_t len)
{
	for (size_t used; len && !line->full; text += used, len -= used) {
		size_t plain = 0;
		while (plain < len && text[plain] >= ' ' && text[plain] < 0x7f && text[plain] != '\'')
			plain++;
		if (plain > line->room - line->len)
			plain = line->room - line->len + 1; /* fills what is left; the rest does not fit */
		if (plain) {
			size_t fits = plain > line->room - line->len ? line->room - line->len : plain;
			put(line, text, fits);
			line->full |= fits < plain;
			used = plain;
			continue;
		}
		put_character(line, text, len, &used);
	}
}

static void put_redacted(struct line *line)
{
	static const char redacted[] = SENSE_REDACTED;
	size_t n = sizeof redacted - 1;
	/* Two that stand side by side are one. */
	if (line->len >= n && !memcmp(line->out + line->len - n, redacted, n))
		return;
	put(line, redacted, n);
}

/* ---- names of secrets -------------------------------------------------------------------------- */

static bool ends_with(const char *name, size_t len, const char *end)
{
	size_t n = strlen(end);
	return len >= n && !memcmp(name + len - n, end, n);
}

bool sense_secret_name(const char *name, size_t len)
{
	static const char *const within[] = {"password",   "passwd",   "passphrase", "secret",
	                                     "credential", "authoriz", "apikey",     "privatekey",
	                                     "accesskey",  "bearer",   "cookie",     "signingkey"};
	static const char *const ends[] = {"token", "key", "pwd",       "pass", "auth",
	                                   "pat",   "jwt", "sessionid", "pin"};
	static const char *const harmless[] = {"file",   "path",   "dir",    "stdin",  "name",
	                                       "type",   "policy", "length", "keyid",  "publickey",
	                                       "hotkey", "ttl",    "url",    "expiry", "helper"};
	char folded[NAME_MAX_LEN];
	size_t n = 0, last = 0; /* where its last word begins */
	if (!len || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool upper = c >= 'A' && c <= 'Z';
		bool before = i && name[i - 1] >= 'a' && name[i - 1] <= 'z';
		if (c == '-' || c == '_' || c == '.' || (upper && before))
			last = n;
		if (c != '-' && c != '_' && c != '.')
			folded[n++] = upper ? (char)(c + ('a' - 'A')) : c;
	}
	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		if (ends_with(folded, n, harmless[i]))
			return false;
	for (size_t i = 0; i < sizeof within / sizeof *within; i++)
		if (memmem(folded, n, within[i], strlen(within[i])))
			return true;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (n - last == strlen(ends[i]) && !memcmp(folded + last, ends[i], n - last))
			return true;
	return ends_with(folded, n, "token");
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_' || c == '.';
}

/* ---- words ------------------------------------------------------------------------------------- */

/* "Bearer" and the like stand between a name and its secret. */
static bool is_scheme(const char *word, size_t len)
{
	return (len == 6 && !strncasecmp(word, "bearer", 6)) ||
	       (len == 5 && !strncasecmp(word, "basic", 5)) || (len == 5 && !strncasecmp(word, "token", 5)) ||
	       (len == 6 && !strncasecmp(word, "digest", 6));
}

static bool all_digits(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

/* Between what separates parts of paths and lists, so that the rest of a word can still be read. */
static void put_parts(struct line *line, const char *text, size_t len)
{
	size_t begin = 0;
	if (!sense_secret_within(text, len)) {
		put_plain(line, text, len);
		return;
	}
	for (size_t i = 0; i <= len && !line->full; i++) {
		if (i < len && !memchr("/=:@,", text[i], 5))
			continue;
		if (sense_secret_within(text + begin, i - begin))
			put_redacted(line);
		else
			put_plain(line, text + begin, i - begin);
		if (i < len)
			put(line, text + i, 1);
		begin = i + 1;
	}
}

/* RFC 3986: scheme://user:password@host/path?query#fragment; at: behind "://". */
static void put_url(struct line *line, const char *text, size_t at, size_t len)
{
	size_t end = at, host = at;
	while (end < len && !memchr("/?#", text[end], 3))
		end++;
	const char *sign = end > at ? memrchr(text + at, '@', end - at) : NULL;
	put_parts(line, text, at);
	if (sign) {
		host = (size_t)(sign - text);
		/* The name that every clone is made by is none. */
		if (host - at == 3 && !memcmp(text + at, "git", 3))
			put(line, "git", 3);
		else
			put_redacted(line);
	}
	size_t query = end;
	while (query < len && text[query] != '?' && text[query] != '#')
		query++;
	put_parts(line, text + host, query - host);
	if (query + 1 < len) {
		put(line, text + query, 1);
		put_redacted(line);
	}
}

static const char *url_within(const char *text, size_t len)
{
	const char *sign = len > 3 ? memmem(text + 1, len - 1, "://", 3) : NULL;
	return sign ? sign + 3 : NULL;
}

/* Whether the word, which is not empty, names a secret; what follows '=' or ':' in it is *value. */
static bool names_secret(const char *word, size_t len, size_t *value)
{
	size_t begin = 0, end;
	while (begin < len && (word[begin] == '-' || word[begin] == '+' || word[begin] == '$'))
		begin++;
	for (end = begin; end < len && is_name(word[end]);)
		end++;
	*value = end < len && (word[end] == '=' || word[end] == ':') ? end + 1 : 0;
	if (begin && !memcmp(word, "-H", 2 <= len ? 2 : len) && *value && word[end] == ':' && begin == 1)
		begin++; /* -HAuthorization: */
	return (end == len || *value) && sense_secret_name(word + begin, end - begin);
}

/* What follows is the secret of a name before it; it may be in the same word. */
static void put_secret(struct line *line, const char *word, size_t len)
{
	if (is_scheme(word, len)) {
		put_plain(line, word, len);
		return; /* the secret is still to come */
	}
	put_redacted(line);
	line->secret_next = false;
}

static void put_word(struct line *line, const char *word, size_t len);

static void put_named(struct line *line, const char *word, size_t len, size_t value)
{
	if (!value) {
		put_plain(line, word, len);
		line->secret_next = word[0] == '-';
		line->named = !line->secret_next;
		return;
	}
	put_plain(line, word, value);
	if (value == len)
		line->secret_next = true;
	else
		put_redacted(line);
}

/* A word between blanks and quotes. */
static void put_word(struct line *line, const char *word, size_t len)
{
	size_t value;
	bool named = line->named;
	line->named = false;
	if (named && (word[0] == ':' || word[0] == '=')) {
		put(line, word, 1);
		line->secret_next = true;
		if (len > 1)
			put_secret(line, word + 1, len - 1);
		return;
	}
	bool option = word[0] == '-' && len > 1;
	if (line->secret_next &&
	    !(option && !sense_secret_within(word, len) && names_secret(word, len, &value))) {
		put_secret(line, word, len);
		return;
	}
	line->secret_next = false;
	if (names_secret(word, len, &value)) {
		put_named(line, word, len, value);
		return;
	}
	const char *url = url_within(word, len);
	if (url)
		put_url(line, word, (size_t)(url - word), len);
	else if (len > 5 && !memcmp(word, "pass:", 5)) /* openssl(1), pass phrase options */
		put_plain(line, word, 5), put_redacted(line);
	else if (value && value < len && memchr(word + value, '=', len - value) && word[value - 1] == '=')
		put_plain(line, word, value), put_word(line, word + value, len - value); /* --env=KEY=value */
	else
		put_parts(line, word, len);
}

static bool separates(char c)
{
	return (unsigned char)c <= ' ' || memchr("\"'`,;{}()[]<>|&\\", c, 16);
}

static void put_text(struct line *line, const char *text, size_t len)
{
	for (size_t at = 0, n; at < len && !line->full; at += n) {
		bool separator = separates(text[at]);
		for (n = 1; at + n < len && separates(text[at + n]) == separator;)
			n++;
		const char *url = separator ? NULL : url_within(text + at, n);
		if (url) /* a query holds what separates elsewhere */
			while (at + n < len && (unsigned char)text[at + n] > ' ' &&
			       !memchr("\"'`<>\\", text[at + n], 6))
				n++;
		if (separator)
			put_plain(line, text + at, n);
		else
			put_word(line, text + at, n);
	}
}

/* ---- arguments --------------------------------------------------------------------------------- */

/* Options of single programs whose names say nothing. */
static bool is_credentials(const char *argument, size_t len)
{
	return (len == 2 && (!memcmp(argument, "-u", 2) || !memcmp(argument, "-U", 2))) ||
	       (len == 6 && !memcmp(argument, "--user", 6)) ||
	       (len == 12 && !memcmp(argument, "--proxy-user", 12));
}

struct habit {
	const char *program;
	const char *option;
	bool attached; /* the password stands in the same argument */
};

static const struct habit habits[] = {
    {"mysql", "-p", true},      {"mysqldump", "-p", true},    {"mysqladmin", "-p", true},
    {"mariadb", "-p", true},    {"mariadb-dump", "-p", true}, {"sshpass", "-p", false},
    {"sshpass", "-p", true},    {"redis-cli", "-a", false},   {"ldapsearch", "-w", false},
    {"smbclient", "-U", false}, {"7z", "-p", true},           {"zip", "-P", false},
    {"unzip", "-P", false},
};

static const struct habit *habit_of(const char *program, size_t n, const char *argument, size_t len)
{
	for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
		const struct habit *habit = &habits[i];
		size_t option = strlen(habit->option);
		if (strlen(habit->program) == n && !memcmp(habit->program, program, n) &&
		    (habit->attached ? len > option : len == option) &&
		    !memcmp(habit->option, argument, option))
			return habit;
	}
	return NULL;
}

/* An option, not a password that begins with a hyphen. */
static bool looks_like_option(const char *text, size_t len)
{
	if (len < 2 || text[0] != '-')
		return false;
	for (size_t i = 1; i < len && text[i] != '='; i++)
		if (!((text[i] >= 'a' && text[i] <= 'z') || text[i] == '-' || (len == 2 && is_name(text[i]))))
			return false;
	return true;
}

/* user:password; a number of each is that of a user and a group. */
static void put_credentials(struct line *line, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t user = colon ? (size_t)(colon - text) : len;
	bool ids = all_digits(text, user) && colon && all_digits(colon + 1, len - user - 1);
	if (!colon || ids) {
		put_text(line, text, len);
		return;
	}
	put_parts(line, text, user + 1);
	if (user + 1 < len)
		put_redacted(line);
}

static bool needs_quotes(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == '"' || text[i] == '\'')
			return true;
	return !len;
}

static void put_argument(struct line *line, const char *text, size_t len, const struct habit *habit)
{
	bool value = line->secret_next && !looks_like_option(text, len);
	bool credentials = line->credentials;
	line->credentials = false;
	line->named = false;
	if (value && len) {
		put_redacted(line);
		line->secret_next = false;
		return;
	}
	line->secret_next = false;
	if (habit && habit->attached) {
		put_plain(line, habit->option, strlen(habit->option));
		put_redacted(line);
		return;
	}
	bool quotes = needs_quotes(text, len);
	if (quotes)
		put(line, "'", 1);
	if (credentials)
		put_credentials(line, text, len);
	else
		put_text(line, text, len);
	if (quotes)
		put(line, "'", 1);
	/* Within an argument a name may wait for its secret; across arguments only an option does. */
	bool option = len > 1 && text[0] == '-' && !memchr(text, '=', len);
	line->secret_next = (line->secret_next && option && !quotes) || habit;
	line->credentials = is_credentials(text, len);
}

size_t sense_command_line(const char *argv, size_t len, char *out, size_t cap)
{
	if (!cap)
		return 0;
	struct line line = {.out = out, .room = cap - 1};
	const char *program = "";
	size_t program_len = 0;
	for (size_t at = 0, n; argv && at < len && !line.full; at += n + 1) {
		const char *text = argv + at;
		n = strnlen(text, len - at);
		if (!at) {
			const char *slash = n ? memrchr(text, '/', n) : NULL;
			program = slash ? slash + 1 : text;
			program_len = n - (size_t)(program - text);
		}
		if (at)
			put(&line, " ", 1);
		put_argument(&line, text, n, at ? habit_of(program, program_len, text, n) : NULL);
	}
	if (line.full) {
		size_t keep = line.len, dots = sizeof ENDING - 1 < line.room ? sizeof ENDING - 1 : line.room;
		while (keep > line.room - dots ||
		       (keep && keep < line.len && ((unsigned char)out[keep] & 0xc0) == 0x80))
			keep--;
		memcpy(out + keep, ENDING, dots);
		line.len = keep + dots;
	}
	out[line.len] = '\0';
	return line.len;
}
