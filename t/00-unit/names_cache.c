/* The name cache: keys, fall-back, life time, bound. */
#include "core/names/namecache.h"

#include "t/tap.h"

#define SECOND UINT64_C(1000000)
#define NOW (1000 * SECOND)

static sense_intern *strings;

static struct sense_addr v4(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return (struct sense_addr){ { [10] = 0xff, [11] = 0xff, (uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d } };
}

static void learn(sense_namecache *cache, unsigned client, const char *name, struct sense_addr server,
                  uint32_t ttl, uint64_t ts)
{
	struct sense_addr from = v4(10, 0, (client >> 8) & 255, client & 255);
	static struct sense_dns dns;
	dns = (struct sense_dns){ .response = true, .answer_count = 1, .answers = { { server, ttl } } };
	snprintf(dns.name, sizeof(dns.name), "%s", name);
	sense_namecache_learn(cache, &from, &dns, ts);
}

static const char *find(sense_namecache *cache, unsigned client, struct sense_addr server, uint64_t ts)
{
	struct sense_addr from = v4(10, 0, (client >> 8) & 255, client & 255);
	const struct sense_str *name = sense_namecache_find(cache, &from, &server, ts);
	return name ? name->text : NULL;
}

static void test_keys(void)
{
	sense_namecache *cache = sense_namecache_new(strings, 100);
	struct sense_addr s = v4(104, 18, 32, 47);
	is_str(find(cache, 1, s, NOW), NULL, "an empty cache knows nothing");
	learn(cache, 1, "chatgpt.com", s, 300, NOW);
	is_str(find(cache, 1, s, NOW), "chatgpt.com", "the client's own answer");
	is_str(find(cache, 2, s, NOW), "chatgpt.com", "another client's, for want of one's own");
	learn(cache, 2, "claude.ai", s, 300, NOW);
	is_str(find(cache, 1, s, NOW), "chatgpt.com", "one's own comes first");
	is_str(find(cache, 2, s, NOW), "claude.ai", "for each client");
	is_str(find(cache, 3, s, NOW), "claude.ai", "the newest for anybody else");
	learn(cache, 1, "api.openai.com", s, 300, NOW + 1);
	is_str(find(cache, 1, s, NOW + 1), "api.openai.com", "a newer answer replaces the name");
	is_str(find(cache, 3, s, NOW + 1), "api.openai.com", "and is the newest for others");
	is_str(find(cache, 1, v4(104, 18, 32, 48), NOW), NULL, "another address has no name");
	sense_namecache_free(cache);
	is_num(sense_intern_held(strings), 0, "all names were given back");
}

static void test_life(void)
{
	sense_namecache *cache = sense_namecache_new(strings, 100);
	struct sense_addr s = v4(1, 2, 3, 4);
	learn(cache, 1, "short.example", s, 5, NOW);
	is_str(find(cache, 1, s, NOW + 60 * SECOND), "short.example", "a short TTL lasts a minute");
	is_str(find(cache, 1, s, NOW + 61 * SECOND), NULL, "and no longer");
	is_str(find(cache, 2, s, NOW + 61 * SECOND), NULL, "for others neither");
	learn(cache, 2, "long.example", s, 0x7fffffff, NOW);
	is_str(find(cache, 1, s, NOW + 86400 * SECOND), "long.example", "one's own is over: another's is used");
	is_str(find(cache, 2, s, NOW + 86401 * SECOND), NULL, "a long TTL ends after a day");
	learn(cache, 1, "ttl.example", s, 300, NOW);
	is_str(find(cache, 1, s, NOW + 300 * SECOND), "ttl.example", "a TTL between is kept");
	is_str(find(cache, 1, s, NOW + 301 * SECOND), "long.example", "to the second");
	sense_namecache_free(cache);
}

static void test_refused(void)
{
	sense_namecache *cache = sense_namecache_new(strings, 100);
	struct sense_addr from = v4(10, 0, 0, 1), s = v4(9, 9, 9, 9), local6 = { { [15] = 1 } }, none6 = { { 0 } };
	learn(cache, 1, "blocked.example", v4(0, 0, 0, 0), 300, NOW);
	learn(cache, 1, "blocked.example", v4(127, 0, 0, 1), 300, NOW);
	learn(cache, 1, "blocked.example", local6, 300, NOW);
	learn(cache, 1, "blocked.example", none6, 300, NOW);
	ok(!find(cache, 1, v4(127, 0, 0, 1), NOW) && !find(cache, 1, v4(0, 0, 0, 0), NOW) &&
	       !find(cache, 1, local6, NOW) && !find(cache, 1, none6, NOW),
	   "answers that stand for 'blocked' name nothing");
	learn(cache, 1, "", s, 300, NOW);
	is_str(find(cache, 1, s, NOW), NULL, "no name, nothing learned");
	struct sense_dns dns = { .name = "x.example", .answer_count = 1, .answers = { { s, 300 } } };
	sense_namecache_learn(cache, &from, &dns, NOW);
	is_str(find(cache, 1, s, NOW), NULL, "a query teaches nothing");
	dns.response = true;
	dns.rcode = 3;
	sense_namecache_learn(cache, &from, &dns, NOW);
	is_str(find(cache, 1, s, NOW), NULL, "nor does a failure");
	learn(cache, 1, "v6.example", (struct sense_addr){ { 0x26, 6, [15] = 1 } }, 300, NOW);
	is_str(find(cache, 1, (struct sense_addr){ { 0x26, 6, [15] = 1 } }, NOW), "v6.example", "an IPv6 address");
	sense_namecache_free(cache);
}

static void test_bound(void)
{
	sense_namecache *cache = sense_namecache_new(strings, 50);
	char name[32];
	unsigned known = 0, wrong = 0;
	struct sense_addr kept = v4(8, 8, 8, 8);
	learn(cache, 1, "kept.example", kept, 3000, NOW);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		learn(cache, 1, name, v4(20, 0, i >> 8, i & 255), 3000, NOW);
		wrong += !find(cache, 1, kept, NOW);
	}
	is_num(wrong, 0, "what is asked for stays");
	for (unsigned i = 0; i < 1000; i++) {
		const char *got = find(cache, 1, v4(20, 0, i >> 8, i & 255), NOW);
		snprintf(name, sizeof(name), "n%u.example", i);
		known += got != NULL;
		wrong += got && strcmp(got, name);
		wrong += (i >= 951) != (got != NULL);
	}
	is_num(known, 49, "as many as there is room for");
	is_num(wrong, 0, "the least recently used are gone, the others right");
	sense_namecache_free(cache);
	const struct sense_str *last = sense_intern_get(strings, "n999.example", 12);
	is_num(last->refs, 1, "a name that was held is given back");
	sense_intern_unref(strings, last);

	/* One address, everybody asks: the chain of that address is long, and none of it is lost. */
	cache = sense_namecache_new(strings, 3000);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		learn(cache, i, name, kept, 3000, NOW);
	}
	is_str(find(cache, 4999, kept, NOW), "n4999.example", "the newest client of one address");
	is_str(find(cache, 2000, kept, NOW), "n2000.example", "the oldest that is left");
	is_str(find(cache, 1999, kept, NOW), "n4999.example", "one that is gone gets the newest");
	sense_namecache_free(cache);
	cache = sense_namecache_new(strings, 0);
	learn(cache, 1, "one.example", kept, 3000, NOW);
	is_str(find(cache, 1, kept, NOW), "one.example", "a bound of 0 is one");
	sense_namecache_free(cache);
	sense_namecache_free(NULL);
}

int main(void)
{
	strings = sense_intern_new(1 << 20);
	test_keys();
	test_life();
	test_refused();
	test_bound();
	sense_intern_free(strings);
	return tap_done();
}
