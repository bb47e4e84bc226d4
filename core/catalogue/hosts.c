#include "core/catalogue/hosts.h"

#define STARS_MAX 4u

enum sense_status sense_hosts_init(struct sense_hosts *hosts, struct sense_arena *arena,
                                   unsigned capacity)
{
	*hosts = (struct sense_hosts){.shortest = SENSE_HOST_NAME_MAX};
	enum sense_status status = sense_namemap_init(&hosts->names, arena, capacity);
	if (status)
		return status;
	hosts->entries = sense_arena_alloc(arena, (capacity + 1) * sizeof *hosts->entries);
	hosts->globs = sense_arena_alloc(arena, (capacity + 1) * sizeof *hosts->globs);
	hosts->filter = sense_arena_alloc(arena, (1u << SENSE_HOSTS_FILTER_BITS) / 8);
	return hosts->entries && hosts->globs && hosts->filter ? SENSE_OK : SENSE_E_MEMORY;
}

/*
 * The filter's bit for a name, by its first bytes and its length. Names made to pass it cost what
 * all would cost without it: one look-up in the seeded table a label.
 */
static unsigned filter_bit(const char *name, size_t len)
{
	uint32_t head = 0;
	if (len >= sizeof head)
		memcpy(&head, name, sizeof head);
	return (head ^ (uint32_t)len << 24) * 2654435769u >> (32 - SENSE_HOSTS_FILTER_BITS);
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* A host name of two labels or more, in lower case; a '*' stands for letters. */
static const char *domain_fault(const char *domain, size_t len)
{
	size_t label = 0;
	unsigned labels = 0;
	if (!len || len > SENSE_HOST_NAME_MAX)
		return "must have 1 to 253 characters";
	for (size_t i = 0; i <= len; i++) {
		char c = i < len ? domain[i] : '.';
		if (c == '.') {
			if (!label || label > 63)
				return "has a label that is empty or longer than 63 characters";
			if (domain[i - 1] == '-' || domain[i - label] == '-')
				return "has a label that begins or ends with '-'";
			label = 0;
			labels++;
			continue;
		}
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_*", c))
			return "has a character other than a-z, 0-9, '-', '_' and '.' "
			       "(lower case, no port, no trailing dot)";
		label++;
	}
	return labels < 2 ? "must have two labels or more" : NULL;
}

/*
 * The name that every host under the glob ends with, as whole labels: "openai.azure.com" for
 * "*.openai.azure.com", "googleapis.com" for "*-aiplatform.googleapis.com". NULL when there is none:
 * such a glob would have to be tried on every host.
 */
static const char *glob_base(const char *pattern, const char **fault)
{
	unsigned stars = 0;
	const char *last = NULL;
	for (const char *p = pattern; *p; p++) {
		if (*p != '*')
			continue;
		if (p[1] == '*' || ++stars > STARS_MAX) {
			*fault = "has two '*' in a row or more than 4 of them";
			return NULL;
		}
		last = p;
	}
	const char *dot = last ? strchr(last, '.') : NULL;
	if (!last)
		*fault = "has no '*': its match is 'exact' or 'suffix'";
	else if (!dot || !strchr(dot + 1, '.'))
		*fault = "must end with two labels or more after the last '*'";
	else
		return dot + 1;
	return NULL;
}

static const char *entry_for(struct sense_hosts *hosts, const char *name,
                             struct sense_host_entry **entry)
{
	size_t len = strlen(name);
	int number = sense_namemap_put(&hosts->names, name, len);
	if (number < 0)
		return "is one too many for the table";
	hosts->shortest = len < hosts->shortest ? len : hosts->shortest;
	hosts->longest = len > hosts->longest ? len : hosts->longest;
	unsigned bit = filter_bit(name, len);
	hosts->filter[bit / 64] |= UINT64_C(1) << bit % 64;
	*entry = &hosts->entries[number];
	return NULL;
}

static const char *add_glob(struct sense_hosts *hosts, const char *pattern, uint16_t row)
{
	struct sense_host_entry *entry;
	const char *fault = NULL;
	const char *base = glob_base(pattern, &fault);
	if (!fault)
		fault = entry_for(hosts, base, &entry);
	if (fault)
		return fault;
	uint16_t *link = &entry->globs;
	for (; *link; link = &hosts->globs[*link].next)
		if (!strcmp(hosts->globs[*link].pattern, pattern))
			return "is there already with the same match";
	*link = (uint16_t)++hosts->glob_count;
	hosts->globs[*link] = (struct sense_host_glob){.pattern = pattern, .row = row};
	return NULL;
}

const char *sense_hosts_add(struct sense_hosts *hosts, const char *domain,
                            enum sense_host_match match, uint16_t row)
{
	struct sense_host_entry *entry;
	const char *fault = domain_fault(domain, strlen(domain));
	if (fault)
		return fault;
	if (match == SENSE_MATCH_GLOB)
		return add_glob(hosts, domain, row);
	if (strchr(domain, '*'))
		return "has a '*': its match is 'glob'";
	fault = entry_for(hosts, domain, &entry);
	if (fault)
		return fault;
	uint16_t *place = match == SENSE_MATCH_EXACT ? &entry->exact : &entry->suffix;
	if (*place)
		return "is there already with the same match";
	*place = row;
	return NULL;
}

/* ---- finding --------------------------------------------------------------------------------- */

/*
 * A '*' stands for one character or more. Pieces between stars are taken at their first place: with
 * both ends fixed that finds a match if there is one, so nothing is ever tried twice.
 */
static bool glob_matches(const char *pattern, const char *host, size_t len)
{
	const char *end = host + len;
	const char *star = strchr(pattern, '*');
	size_t piece = (size_t)(star - pattern);
	if (piece > len || memcmp(pattern, host, piece))
		return false;
	for (host += piece;;) {
		pattern = star + 1;
		star = strchr(pattern, '*');
		if (host == end)
			return false;
		host++;
		if (!star)
			break;
		piece = (size_t)(star - pattern);
		host = memmem(host, (size_t)(end - host), pattern, piece);
		if (!host)
			return false;
		host += piece;
	}
	piece = strlen(pattern);
	return (size_t)(end - host) >= piece && !memcmp(end - piece, pattern, piece);
}

static unsigned glob_find(const struct sense_hosts *hosts, unsigned first, const char *host, size_t len)
{
	for (unsigned i = first; i; i = hosts->globs[i].next)
		if (glob_matches(hosts->globs[i].pattern, host, len))
			return hosts->globs[i].row;
	return 0;
}

static int name_find(const struct sense_hosts *hosts, const char *name, size_t len)
{
	unsigned bit = filter_bit(name, len);
	if (len > hosts->longest || !(hosts->filter[bit / 64] >> bit % 64 & 1))
		return -1;
	return sense_namemap_find(&hosts->names, name, len);
}

unsigned sense_hosts_find(const struct sense_hosts *hosts, const char *host, size_t len)
{
	unsigned suffix = 0;
	const char *end = host + len;
	if (len > SENSE_HOST_NAME_MAX)
		return 0;
	for (const char *at = host;; at++) {
		size_t left = (size_t)(end - at);
		if (left < hosts->shortest)
			break;
		int number = name_find(hosts, at, left);
		if (number >= 0) {
			const struct sense_host_entry *entry = &hosts->entries[number];
			if (at == host && entry->exact)
				return entry->exact;
			unsigned glob = entry->globs ? glob_find(hosts, entry->globs, host, len) : 0;
			if (glob)
				return glob;
			suffix = suffix ? suffix : entry->suffix;
		}
		at = memchr(at, '.', left);
		if (!at)
			break;
	}
	return suffix;
}
