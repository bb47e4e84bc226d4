/* core/names/ja_memo.c: fingerprints from memory are those that would be computed. */
#include <stdlib.h>

#include "core/names/ja.h"
#include "t/tap.h"

static uint8_t bytes[4096];

static struct sense_bytes list(unsigned count, unsigned variants)
{
	static size_t used;
	if (used + 2 * count > sizeof bytes)
		used = 0;
	struct sense_bytes out = {.at = bytes + used, .len = 2 * (size_t)count};
	for (unsigned i = 0; i < 2 * count; i++)
		bytes[used++] = (uint8_t)(rand() % (int)variants ? rand() % 3 : 0x0a);
	return out;
}

/* Few values and lengths, so that many hellos are alike in all but one thing, or alike altogether. */
static void draw(struct sense_hello_lists *lists)
{
	memset(lists, 0, sizeof *lists);
	lists->legacy_version = 0x0303;
	lists->top_version = (uint16_t)(0x0303 + rand() % 2);
	lists->quic = rand() % 2;
	lists->has_sni = rand() % 2;
	lists->ciphers = list((unsigned)rand() % 3, 4);
	lists->groups = list((unsigned)rand() % 3, 4);
	lists->signatures = list((unsigned)rand() % 2, 4);
	lists->formats = list((unsigned)rand() % 2, 4);
	static const char *const names[] = {"", "h2", "http/1.1", "h", "\x01\x02"};
	const char *name = names[rand() % 5];
	lists->alpn = (struct sense_bytes){.at = (const uint8_t *)name, .len = strlen(name)};
	lists->extension_count = (unsigned)rand() % 4;
	for (unsigned i = 0; i < lists->extension_count; i++)
		lists->extensions[i] = (uint16_t)(rand() % 4 ? rand() % 3 : 0x1a1a);
}

int main(void)
{
	static struct sense_hello_lists lists, large;
	char ja3[33], ja4[37], memo3[33], memo4[37];
	unsigned wrong = 0;
	srand(11);
	for (int i = 0; i < 300000; i++) {
		draw(&lists);
		sense_ja3(&lists, ja3);
		sense_ja4(&lists, ja4);
		sense_ja(&lists, memo3, memo4);
		wrong += strcmp(ja3, memo3) || strcmp(ja4, memo4);
	}
	is_num(wrong, 0, "300,000 hellos of a few thousand shapes have the fingerprints that are computed");
	large.extension_count = 2000;
	for (unsigned i = 0; i < 2000; i++)
		large.extensions[i] = (uint16_t)i;
	sense_ja3(&large, ja3);
	for (int i = 0; i < 2; i++) {
		sense_ja(&large, memo3, memo4);
		is_str(memo3, ja3, "a hello too long to be kept is computed each time");
	}
	return tap_done();
}
