/*
 * Policies from a server: taken with the right signature alone, in pieces, never older ones. With `serve DIR` this
 * program is a server for an agent that has DIR (t/50-agent/link.t): it makes the identity there, and does what it reads.
 */
#include "core/link/managed.h"
#include "t/20-plugin/uplink_offer.h"

static struct authority ca;
static unsigned reloads;

static void reload(void *self)
{
	(void)self;
	reloads++;
}

static bool rule(void *self, uint32_t i, struct sense_message_rule *out)
{
	(void)self;
	*out = (struct sense_message_rule){.id = i ? "test.two" : "test.one",
	                                   .state = i ? "quarantined" : "loaded"};
	return i < 2;
}

/* ---- what is taken ------------------------------------------------------------------------------------- */

static uint64_t generation_kept(const struct agent *agent, struct sense_manifest *manifest)
{
	return sense_managed_read(agent->dir, manifest, NULL, NULL) ? 0 : manifest->generation;
}

static void taken(struct agent *agent, char *text)
{
	struct sense_manifest manifest;
	struct sense_bundle bundle;
	struct sense_bundle_item item;
	sense_error err;
	size_t used = 0;
	offer_make(&(struct offer){.generation = 5, .text = text});
	until(agent, reloads);
	is_num(reloads, 1, "policies are fetched, and a reload asked for");
	is_num(shared->pieces, (shared->bundle_len + 19999) / 20000, "in as many pieces as there are");
	is_num(generation_kept(agent, &manifest), 5, "they are kept");
	sense_bundle_init(&bundle);
	ok(!sense_managed_read(agent->dir, &manifest, &bundle, &err) && !sense_bundle_seal(&bundle, &err),
	   "and can be read");
	ok(sense_bundle_next(bundle.block.data, bundle.block.len, &used, &item), "with one policy");
	is_str(item.name, "test/given", "of its name");
	is_str(item.file, "fleet:test/given.lua", "and as messages call it");
	ok(item.len == strlen(text) && !memcmp(item.text, text, item.len), "as it was sent");
	sense_bundle_fini(&bundle);
	sense_link_loaded(agent->link, &manifest, true, NULL);
	until(agent, shared->told == 5);
	ok(shared->told_loaded && shared->told_rules == 2, "the server is told that they are at work");
	is_str(shared->told_rule, "test.two quarantined", "and of each rule");
	is_num(agent_status(agent).policies, 5, "status: their generation");
	sense_link_loaded(agent->link, &manifest, false, "given.lua:1: no");
	until(agent, !shared->told_loaded);
	is_str(shared->told_problem, "given.lua:1: no", "or why they are not");
}

/* Settings of rules come as one more item, under a name that no policy has; and other settings make another set. */
static void with_settings(struct agent *agent)
{
	static const uint8_t one[] = {0x81, 0xa3, 'a', '.', 'b', 0x01},
			     other[] = {0x81, 0xa3, 'a', '.', 'b', 0x02};
	const struct sense_message_bytes params[] = {{one, sizeof one}, {other, sizeof other}};
	char hashes[2][SENSE_BUNDLE_HASH_MAX];
	for (unsigned i = 0; i < 2; i++) {
		struct sense_manifest manifest;
		struct sense_bundle bundle;
		struct sense_bundle_item policy, item = {.name = ""};
		sense_error err;
		size_t used = 0;
		offer_make(&(struct offer){.generation = 13 + i, .text = "-- same", .params = params[i]});
		until(agent, generation_kept(agent, &manifest) == 13 + i);
		sense_bundle_init(&bundle);
		ok(!sense_managed_read(agent->dir, &manifest, &bundle, &err) &&
		       !sense_bundle_seal(&bundle, &err),
		   "policies with settings are taken");
		is_num(bundle.count - bundle.params, 1, "as one policy");
		ok(sense_bundle_next(bundle.block.data, bundle.block.len, &used, &policy) &&
		       sense_bundle_next(bundle.block.data, bundle.block.len, &used, &item),
		   "and an item behind it");
		is_str(item.name, SENSE_BUNDLE_PARAMS, "of the name of settings");
		ok(item.len == params[i].len && !memcmp(item.text, params[i].data, item.len),
		   "which are as they were signed");
		memcpy(hashes[i], bundle.hash, sizeof hashes[i]);
		sense_bundle_fini(&bundle);
	}
	ok(strcmp(hashes[0], hashes[1]) != 0, "the same policy with other settings is another set");
}

static void refused(struct agent *agent, const struct offer *offer, const char *wanted)
{
	struct sense_manifest manifest;
	unsigned before = reloads;
	uint32_t beats = shared->heartbeats, pieces = shared->pieces;
	offer_make(offer);
	until(agent, shared->pieces > pieces && shared->heartbeats > beats + 1);
	ok(strstr(agent_status(agent).problem, wanted), "%s: %s", wanted, agent_status(agent).problem);
	until(agent, shared->told == offer->generation);
	ok(!shared->told_loaded && strstr(shared->told_problem, wanted), "which the server is told");
	beats = shared->heartbeats;
	pieces = shared->pieces;
	until(agent, shared->heartbeats > beats + 1);
	is_num(shared->pieces, pieces, "they are not asked for again");
	is_num(generation_kept(agent, &manifest), 5, "and what was there stays");
	is_num(reloads, before, "without a reload");
}

static void offers(void)
{
	struct agent agent;
	struct sense_manifest manifest;
	static char large[100000];
	memset(large, '-', sizeof large - 1);
	shared_new();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	agent_new(&agent, &ca, peer.port);
	agent.config.reload = reload;
	agent.config.rule = rule;
	agent_link(&agent);
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	taken(&agent, large);
	refused(&agent, &(struct offer){.generation = 6, .text = "-- 6", .key = other},
	        "not of the key that was pinned");
	refused(&agent, &(struct offer){.generation = 7, .text = "-- 7", .organization = AGENT},
	        "for another organization");
	refused(&agent, &(struct offer){.generation = 8, .text = "-- 8", .other_hash = true},
	        "not those that were signed");
	refused(&agent, &(struct offer){.generation = 9, .text = "-- 9", .other_byte = true},
	        "not those that were signed");
	refused(&agent, &(struct offer){.generation = 10, .text = "-- 10", .other_generation = true},
	        "of another generation");
	/* An older one, signed as it should be, is not even asked for. */
	uint32_t beats = shared->heartbeats, pieces = shared->pieces;
	offer_make(&(struct offer){.generation = 4, .text = "-- 4"});
	until(&agent, shared->heartbeats > beats + 1);
	is_num(shared->pieces, pieces, "older policies are not asked for");
	offer_make(&(struct offer){.generation = 12, .text = "-- 12", .observe = true});
	until(&agent, generation_kept(&agent, &manifest) == 12);
	is_num(generation_kept(&agent, &manifest), 12, "newer ones are");
	is_num(manifest.mode, SENSE_MANIFEST_OBSERVE, "with what is to be done about what they find");
	with_settings(&agent);
	/* What lies on the disk is looked at like what comes. */
	char path[128];
	snprintf(path, sizeof path, "%s/fleet/policies", agent.dir);
	FILE *file = fopen(path, "r+");
	fseek(file, -1, SEEK_END);
	fputc('!', file);
	fclose(file);
	sense_error err;
	ok(sense_managed_read(agent.dir, &manifest, NULL, &err) == SENSE_E_FORMAT,
	   "a changed file is refused: %s", err.message);
	EVP_PKEY_free(other);
	agent_free(&agent);
	peer_stop(&peer);
}

/* ---- a server for others ------------------------------------------------------------------------------- */

static size_t text_read(const char *dir, const char *name, char *out, size_t cap)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *file = fopen(path, "r");
	size_t len = file ? fread(out, 1, cap - 1, file) : 0;
	out[len] = '\0';
	if (file)
		fclose(file);
	return len;
}

/*
 * Each line a word: GENERATION[o][p] of a policy whose text is in DIR/policy.lua is offered, with p together with the
 * settings in DIR/params; what there is is printed.
 */
static int serve(const char *dir)
{
	static char line[64], text[65536], params[4096];
	shared_new();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	enrolled(dir, &ca, server_at(peer.port), -3600, 86400 * 90);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		if (line[0] >= '1' && line[0] <= '9') {
			struct offer offer = {.generation = strtoul(line, NULL, 10),
			                      .text = text,
			                      .observe = strchr(line, 'o')};
			text_read(dir, "policy.lua", text, sizeof text);
			if (strchr(line, 'p'))
				offer.params = (struct sense_message_bytes){
				    (uint8_t *)params, text_read(dir, "params", params, sizeof params)};
			offer_make(&offer);
		}
		printf(
		    "{\"sessions\":%u,\"heartbeats\":%u,\"through\":%llu,\"batches\":%u,\"told\":%llu,\"loaded\":%d,\"rules\":%u,"
		    "\"rule\":\"%s\",\"host\":\"%s\"}\n",
		    shared->sessions, shared->heartbeats, (unsigned long long)shared->through,
		    shared->batches, (unsigned long long)shared->told, shared->told_loaded,
		    shared->told_rules, shared->told_rule, shared->host);
		fflush(stdout);
	}
	peer_stop(&peer);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	ca = authority_make("fleet");
	policy_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	offers();
	EVP_PKEY_free(policy_key);
	authority_free(&ca);
	return tap_done();
}
