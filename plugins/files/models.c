/*
 * Models by their first bytes. The catalogue's rows give bytes and where they stand; what bytes alone do not
 * say is added here: how a safetensors header is bounded, what a zip must hold, which names a weak
 * mark must go with.
 */
#include "files.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIXED_STRONG 4u                     /* bytes; fewer say something only together with the name */
#define SAFETENSORS_HEADER_MAX (100u << 20) /* as its own readers bound it */

static unsigned nibble(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0')
	                                 : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

/* Hex bytes, ".." for any, up to what is something else. */
static void take_bytes(struct magic *magic, const char **text)
{
	const char *at = *text;
	while (magic->len < sizeof magic->bytes) {
		at += strspn(at, " ");
		bool any = at[0] == '.' && at[1] == '.';
		bool hex = isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1]) &&
		           !isalnum((unsigned char)at[2]);
		if (!any && !hex)
			break;
		unsigned value = 0;
		if (hex)
			value = nibble(at[0]) << 4 | nibble(at[1]);
		magic->bytes[magic->len] = (uint8_t)value;
		magic->mask[magic->len++] = hex ? 0xff : 0;
		magic->fixed = (uint8_t)(magic->fixed + hex);
		at += 2;
	}
	*text = at;
}

bool models_magic(const char *pattern, const char *where, struct places *places)
{
	const char *number = strncmp(where, "offset-", 7) ? "" : where + 7;
	unsigned long offset = strtoul(number, NULL, 10);
	unsigned before = places->magic_count;
	if (!isdigit((unsigned char)*number) || offset > 64)
		return false;
	while (*pattern && places->magic_count < sizeof places->magics / sizeof *places->magics) {
		struct magic magic = {.offset = (uint8_t)offset};
		if (!strncmp(pattern, "u64le", 5)) {
			magic.safetensors = true;
		} else {
			take_bytes(&magic, &pattern);
			magic.pickle_zip = magic.fixed && strstr(pattern, "data.pkl");
			magic.hdf5 = magic.fixed >= 8 && !memcmp(magic.bytes, "\x89HDF", 4);
		}
		if (magic.fixed || magic.safetensors)
			places->magics[places->magic_count++] = magic;
		pattern += strcspn(pattern, "|/");
		if (magic.safetensors || magic.pickle_zip)
			break;
		pattern += strspn(pattern, "|/ ");
	}
	return places->magic_count > before;
}

static bool ends_with(const char *name, const char *const *ends)
{
	size_t n = strlen(name);
	for (; *ends; ends++)
		if (n > strlen(*ends) && !strcasecmp(name + n - strlen(*ends), *ends))
			return true;
	return false;
}

static bool is_safetensors(const uint8_t *head, size_t len, uint64_t size)
{
	uint64_t header = 0;
	if (len < 10)
		return false;
	for (unsigned i = 8; i; i--)
		header = header << 8 | head[i - 1];
	return header >= 2 && header <= SAFETENSORS_HEADER_MAX && header + 8 <= size && head[8] == '{' &&
	       (head[9] == '"' || head[9] == ' ' || head[9] == '}');
}

/* The name of a zip's first entry stands at 30 (APPNOTE 4.3.7). */
static bool is_pickle_zip(const uint8_t *head, size_t len)
{
	return len > 40 && memmem(head + 30, len - 30, "/data.pkl", 9);
}

bool models_match(const struct places *places, const uint8_t *head, size_t len, uint64_t size,
                  const char *name)
{
	static const char *const weak[] = {".onnx", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", NULL};
	static const char *const hdf5[] = {".keras",      ".weights.h5", "model.h5",
	                                   "_model.hdf5", ".tf.h5",      NULL};
	for (unsigned i = 0; i < places->magic_count; i++) {
		const struct magic *magic = &places->magics[i];
		bool same = magic->offset + magic->len <= len;
		if (magic->safetensors) {
			if (is_safetensors(head, len, size))
				return true;
			continue;
		}
		for (unsigned k = 0; k < magic->len && same; k++)
			same = !((head[magic->offset + k] ^ magic->bytes[k]) & magic->mask[k]);
		if (!same || (magic->pickle_zip && !is_pickle_zip(head, len)) ||
		    (magic->hdf5 && !ends_with(name, hdf5)) ||
		    (magic->fixed < FIXED_STRONG && !ends_with(name, weak)))
			continue;
		return true;
	}
	return false;
}
