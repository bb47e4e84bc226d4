/* The agent's certificate is renewed when two thirds of its time are over: with a new key, by the old certificate. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/log.h"
#include "core/link/internal.h"

#define LOOK_MS 60000u
#define AGAIN_MS 3600000u /* after an attempt, whatever came of it */
#define REQUEST_MAX 4096u

enum sense_status sense_link_identity_look(sense_link *link, sense_error *err)
{
	struct sense_identity *identity = calloc(1, sizeof *identity);
	if (!identity)
		return sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
	enum sense_status status = sense_identity_read(link->config.agent_dir, identity, err);
	if (!status)
		status = sense_identity_validity(identity, &link->from, &link->until, err);
	if (!status) {
		memcpy(link->status.agent, identity->agent, sizeof identity->agent);
		memcpy(link->status.organization, identity->organization, sizeof identity->organization);
		memcpy(link->trust.organization, identity->organization, sizeof link->trust.organization);
		memcpy(link->trust.key, identity->policy_key, sizeof link->trust.key);
	}
	sense_identity_clear(identity);
	free(identity);
	return status;
}

static bool due(const sense_link *link)
{
	return (int64_t)time(NULL) >= link->from + (link->until - link->from) / 3 * 2;
}

void sense_link_renew_look(sense_link *link, unsigned elapsed_ms)
{
	uint8_t request[REQUEST_MAX], map[REQUEST_MAX + 64];
	size_t len;
	sense_error err;
	link->renew_left_ms -= link->renew_left_ms < elapsed_ms ? link->renew_left_ms : elapsed_ms;
	if (link->renew_left_ms || !link->status.connected)
		return;
	link->renew_left_ms = LOOK_MS;
	if (!due(link))
		return;
	link->renew_left_ms = AGAIN_MS;
	if (sense_identity_key_make(link->key, &err) ||
	    sense_identity_request_der(link->key, link->host, request, sizeof request, &len, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "the certificate cannot be renewed: %s",
		          err.message);
		return;
	}
	struct sense_wire_writer writer = {.data = map, .cap = sizeof map};
	sense_message_put_renew(&writer, request, len);
	link->renewing = !writer.full && sense_link_send(link, SENSE_UPLINK_PARAMETERS, SENSE_UPLINK_RENEW, 0,
	                                                 map, writer.len);
}

void sense_link_renew_failed(sense_link *link, const char *why)
{
	link->renewing = false;
	OPENSSL_cleanse(link->key, sizeof link->key);
	sense_log(SENSE_LOG_ERROR, "link",
	          "the certificate cannot be renewed: %s; it is tried again in an hour", why);
}

static enum sense_status replace(sense_link *link, const uint8_t *der, size_t len, sense_error *err)
{
	struct sense_identity *identity = calloc(1, sizeof *identity);
	if (!identity)
		return sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
	enum sense_status status = sense_identity_read(link->config.agent_dir, identity, err);
	memcpy(identity->key, link->key, sizeof identity->key);
	if (!status)
		status = sense_identity_certificate_take(identity, der, len, err);
	if (!status)
		status = sense_identity_write(link->config.agent_dir, identity, err);
	sense_identity_clear(identity);
	free(identity);
	return status;
}

/* The certificate must be of the key that was made here, and of our CA; the process begins anew with it. */
void sense_link_renewed(sense_link *link, const uint8_t *der, size_t len)
{
	sense_error err;
	if (!link->renewing)
		return;
	if (replace(link, der, len, &err) || sense_link_identity_look(link, &err)) {
		sense_link_renew_failed(link, err.message);
		return;
	}
	link->renewing = false;
	link->renew_left_ms = LOOK_MS;
	OPENSSL_cleanse(link->key, sizeof link->key);
	sense_log(SENSE_LOG_INFO, "link", "the certificate was renewed");
	sense_link_anew(link);
}
