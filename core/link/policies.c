/*
 * Policies on their way: asked for in pieces, verified, kept, and put to work by a reload; then what came of that is
 * told.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/link/internal.h"
#include "proto/bundle.h"

#define ACKNOWLEDGE_MAX 60000u /* bytes */

/* The server is told, too, so that the rollout halts. Of what is not signed nothing is believed: no hash either. */
static void give_up(sense_link *link, const char *why)
{
	struct sense_link_policies *p = &link->policies;
	sense_buf_fini(&p->bundle);
	p->fetching = 0;
	p->refused = p->wanted;
	p->outcome = (struct sense_message_policy){.generation = p->wanted};
	if (p->verified)
		memcpy(p->outcome.hash, p->manifest.hash, sizeof p->outcome.hash);
	snprintf(p->problem, sizeof p->problem, "%s", why);
	p->loaded = p->told = false;
	sense_log(SENSE_LOG_ERROR, "link", "%s", why);
	sense_link_problem(link, why, strlen(why));
}

void sense_link_policies_init(sense_link *link)
{
	struct sense_link_policies *p = &link->policies;
	struct sense_manifest manifest;
	if (!sense_managed_read(link->config.agent_dir, &manifest, NULL, NULL))
		p->kept = manifest.generation;
}

void sense_link_policies_down(sense_link *link)
{
	sense_buf_fini(&link->policies.bundle);
	link->policies.fetching = link->policies.refused = 0;
	link->policies.told = false;
}

/* The server wants this one: of those that are newer than what is kept. */
void sense_link_policies_wanted(sense_link *link, uint64_t generation)
{
	struct sense_link_policies *p = &link->policies;
	const uint64_t offset = 0;
	if (generation <= p->kept || generation == p->fetching || generation == p->refused)
		return;
	sense_buf_fini(&p->bundle);
	sense_buf_init(&p->bundle, SENSE_WIRE_BUNDLE_MAX);
	p->wanted = p->fetching = generation;
	p->manifest_len = 0;
	p->verified = false;
	if (!sense_link_send(link, SENSE_UPLINK_FETCH, 0, generation, &offset, sizeof offset))
		p->fetching = 0; /* the next heartbeat's answer asks again */
}

void sense_link_policies_manifest(sense_link *link, uint64_t generation, const uint8_t *data, size_t len)
{
	struct sense_link_policies *p = &link->policies;
	sense_error err;
	if (generation != p->fetching || len <= SENSE_MANAGED_SIGNATURE ||
	    len - SENSE_MANAGED_SIGNATURE > sizeof p->manifest_bytes)
		return;
	memcpy(p->signature, data, sizeof p->signature);
	p->manifest_len = len - sizeof p->signature;
	memcpy(p->manifest_bytes, data + sizeof p->signature, p->manifest_len);
	if (sense_managed_verify(&link->trust, p->signature, p->manifest_bytes, p->manifest_len, &p->manifest,
	                         &err))
		give_up(link, err.message);
	else if (p->manifest.generation != generation)
		give_up(link,
		        "the server's policies are refused: they are of another generation than was said");
	else
		p->verified = true;
}

static void whole(sense_link *link)
{
	struct sense_link_policies *p = &link->policies;
	sense_error err;
	const uint8_t *bundle = (const uint8_t *)p->bundle.data;
	if (sense_managed_verify_bundle(&p->manifest, bundle, p->bundle.len, &err) ||
	    sense_managed_write(link->config.agent_dir, p->signature, p->manifest_bytes, p->manifest_len,
	                        bundle, p->bundle.len, &err)) {
		give_up(link, err.message);
		return;
	}
	sense_buf_fini(&p->bundle);
	p->kept = p->fetching;
	p->fetching = 0;
	sense_log(SENSE_LOG_INFO, "link", "policies of generation %llu came from the server",
	          (unsigned long long)p->kept);
	if (link->config.reload)
		link->config.reload(link->config.self);
}

void sense_link_policies_piece(sense_link *link, uint64_t generation, const uint8_t *data, size_t len)
{
	struct sense_link_policies *p = &link->policies;
	uint64_t place[2]; /* offset and size of the whole */
	if (generation != p->fetching || !p->manifest_len || len <= sizeof place)
		return;
	memcpy(place, data, sizeof place);
	len -= sizeof place;
	if (place[0] != p->bundle.len || place[1] != p->manifest.size ||
	    len > p->manifest.size - p->bundle.len) {
		give_up(link, "the server's policies are refused: a piece of them does not belong to it");
		return;
	}
	sense_buf_add(&p->bundle, data + sizeof place, len);
	if (p->bundle.failed)
		give_up(link, "no memory for the server's policies");
	else if (p->bundle.len == p->manifest.size)
		whole(link);
}

/* ---- what came of them ------------------------------------------------------------------------------ */

void sense_link_loaded(sense_link *link, const struct sense_manifest *manifest, bool loaded,
                       const char *problem)
{
	struct sense_link_policies *p = &link->policies;
	p->outcome = (struct sense_message_policy){.generation = manifest->generation};
	memcpy(p->outcome.hash, manifest->hash, sizeof p->outcome.hash);
	p->loaded = loaded;
	snprintf(p->problem, sizeof p->problem, "%s", problem ? problem : "");
	if (loaded)
		p->at_work = p->outcome;
	p->told = false;
}

/* How many rules, and which, fit into a message. */
static uint32_t rules_measure(const sense_link *link, size_t room)
{
	struct sense_message_rule rule;
	uint32_t count = 0;
	if (!link->policies.loaded || !link->config.rule)
		return 0;
	for (; count < SENSE_MESSAGE_RULES_MAX && link->config.rule(link->config.self, count, &rule);
	     count++) {
		size_t bytes = strlen(rule.id) + strlen(rule.state) + 16;
		if (bytes > room)
			break;
		room -= bytes;
	}
	return count;
}

void sense_link_policies_look(sense_link *link)
{
	static uint8_t map[ACKNOWLEDGE_MAX + 2048];
	struct sense_link_policies *p = &link->policies;
	struct sense_message_rule rule;
	if (p->told || !p->outcome.generation || !link->status.connected)
		return;
	struct sense_wire_writer writer = {.data = map, .cap = sizeof map};
	const struct sense_message_acknowledge message = {
	    .policy = p->outcome,
	    .loaded = p->loaded,
	    .problem = *p->problem ? p->problem : NULL,
	    .count = rules_measure(link, ACKNOWLEDGE_MAX),
	};
	sense_message_put_acknowledge(&writer, &message);
	for (uint32_t i = 0; i < message.count; i++) {
		if (!link->config.rule(link->config.self, i, &rule))
			return; /* they changed; the next look counts anew */
		sense_message_put_rule(&writer, &rule);
	}
	p->told = !writer.full && sense_link_send(link, SENSE_UPLINK_PARAMETERS, SENSE_UPLINK_ACKNOWLEDGE, 0,
	                                          map, writer.len);
}
