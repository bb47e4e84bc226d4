#include "server/policy/diff.h"

#include <stdlib.h>
#include <string.h>

#define CELLS_MAX ((size_t)4 << 20) /* of the table: lines of the one times those of the other */

struct line {
	const char *text;
	size_t len;
};

struct lines {
	struct line *items;
	size_t count;
};

/* ---- lines -------------------------------------------------------------------------------------------- */

static bool lines_of(const struct sense_wire_bundle_file *file, struct lines *out)
{
	const char *text = (const char *)file->text, *end = text + file->len;
	size_t count = 1;
	for (size_t i = 0; i < file->len; i++)
		count += text[i] == '\n';
	*out = (struct lines){.items = calloc(count, sizeof *out->items)};
	while (out->items && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t len = newline ? (size_t)(newline - text) : (size_t)(end - text);
		out->items[out->count++] = (struct line){text, len};
		text += len + (newline != NULL);
	}
	return out->items != NULL;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

static void tell(struct sense_buf *out, char sign, const struct line *line)
{
	sense_buf_addc(out, sign);
	sense_buf_add(out, line->text, line->len);
	sense_buf_addc(out, '\n');
}

/* ---- two texts ---------------------------------------------------------------------------------------- */

/* Lengths of the longest common subsequence of what is left from each pair of lines on. NULL: too many, or no
 * memory. */
static uint32_t *table_of(const struct lines *a, const struct lines *b)
{
	size_t width = b->count + 1;
	if ((a->count + 1) > CELLS_MAX / width)
		return NULL;
	uint32_t *table = calloc((a->count + 1) * width, sizeof *table);
	for (size_t i = a->count; table && i-- > 0;)
		for (size_t k = b->count; k-- > 0;) {
			uint32_t down = table[(i + 1) * width + k], right = table[i * width + k + 1];
			table[i * width + k] = same(&a->items[i], &b->items[k])
			                         ? table[(i + 1) * width + k + 1] + 1
			                     : down > right ? down
			                                    : right;
		}
	return table;
}

/* first: the number of the first of these lines in the older text. */
static void differences_tell(const struct lines *a, const struct lines *b, size_t first,
                             struct sense_buf *out)
{
	uint32_t *table = table_of(a, b);
	size_t i = 0, k = 0, width = b->count + 1;
	bool within = false;
	while (i < a->count || k < b->count) {
		if (table && i < a->count && k < b->count && same(&a->items[i], &b->items[k])) {
			within = false;
			i++;
			k++;
			continue;
		}
		if (!within)
			sense_buf_printf(out, "@@ line %zu\n", first + i);
		within = true;
		bool drop = i < a->count && (k == b->count || !table ||
		                             table[(i + 1) * width + k] >= table[i * width + k + 1]);
		if (drop)
			tell(out, '-', &a->items[i++]);
		else
			tell(out, '+', &b->items[k++]);
	}
	free(table);
}

/* Without what both begin and end with. */
static void texts_tell(const struct lines *a, const struct lines *b, struct sense_buf *out)
{
	size_t begin = 0, end = 0, least = a->count < b->count ? a->count : b->count;
	while (begin < least && same(&a->items[begin], &b->items[begin]))
		begin++;
	while (end < least - begin && same(&a->items[a->count - 1 - end], &b->items[b->count - 1 - end]))
		end++;
	const struct lines one = {a->items + begin, a->count - begin - end};
	const struct lines other = {b->items + begin, b->count - begin - end};
	differences_tell(&one, &other, begin + 1, out);
}

/* ---- two bundles -------------------------------------------------------------------------------------- */

static const struct sense_wire_bundle_file nothing = {{"", 0}, NULL, 0};

static void files_tell(const struct sense_wire_bundle_file *a, const struct sense_wire_bundle_file *b,
                       struct sense_buf *out)
{
	struct lines one, other = {NULL, 0};
	sense_buf_printf(out, "--- %.*s\n+++ %.*s\n", a->name.len ? (int)a->name.len : 9,
	                 a->name.len ? a->name.text : "/dev/null", b->name.len ? (int)b->name.len : 9,
	                 b->name.len ? b->name.text : "/dev/null");
	if (lines_of(a, &one) && lines_of(b, &other))
		texts_tell(&one, &other, out);
	free(one.items);
	free(other.items);
}

static int order_of(const struct sense_wire_bundle_file *a, const struct sense_wire_bundle_file *b)
{
	size_t least = a->name.len < b->name.len ? a->name.len : b->name.len;
	int order = memcmp(a->name.text, b->name.text, least);
	return order ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

unsigned sense_diff_packs(const struct sense_pack *from, const struct sense_pack *to, struct sense_buf *out)
{
	struct sense_wire_bundle one, other;
	struct sense_wire_bundle_file a, b;
	unsigned count = 0;
	sense_wire_bundle_get(&one, from->bytes, from->len);
	sense_wire_bundle_get(&other, to->bytes, to->len);
	bool has_a = sense_wire_bundle_next(&one, &a), has_b = sense_wire_bundle_next(&other, &b);
	while (has_a || has_b) {
		int order = !has_a ? 1 : !has_b ? -1 : order_of(&a, &b);
		if (order || a.len != b.len || memcmp(a.text, b.text, a.len)) {
			files_tell(order > 0 ? &nothing : &a, order < 0 ? &nothing : &b, out);
			count++;
		}
		if (order <= 0)
			has_a = sense_wire_bundle_next(&one, &a);
		if (order >= 0)
			has_b = sense_wire_bundle_next(&other, &b);
	}
	return count;
}
