#include "server/pki/signer_wire.h"

#include <openssl/rand.h>
#include <string.h>

#include "core/base/clock.h"
#include "proto/finding.h"
#include "server/pki/certificate.h"

static void put64(uint8_t *out, uint64_t number)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t get64(const uint8_t *in)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < 8; i++)
		number = number << 8 | in[i];
	return number;
}

bool sense_signer_request_parse(const uint8_t *data, size_t len, struct sense_signer_request *out)
{
	*out = (struct sense_signer_request){0};
	if (len < SENSE_SIGNER_HEAD || len > SENSE_SIGNER_REQUEST_MAX)
		return false;
	out->id = get64(data + 4);
	const uint8_t *body = data + SENSE_SIGNER_HEAD;
	size_t left = len - SENSE_SIGNER_HEAD;
	if (data[0] != SENSE_SIGNER_VERSION || data[2] || data[3])
		return false;
	switch (data[1]) {
	case SENSE_SIGNER_AGENT:
		if (left != 2 * SENSE_UUID + SENSE_KEY_POINT)
			return false;
		out->org = body;
		out->agent = body + SENSE_UUID;
		out->point = body + 2 * SENSE_UUID;
		break;
	case SENSE_SIGNER_SERVER:
		if (left != SENSE_KEY_POINT)
			return false;
		out->point = body;
		break;
	default:
		return false;
	}
	out->kind = (enum sense_signer_kind)data[1];
	return true;
}

bool sense_signer_answer_parse(const uint8_t *data, size_t len, struct sense_signer_answer *out)
{
	*out = (struct sense_signer_answer){0};
	if (len < SENSE_SIGNER_HEAD || len > SENSE_SIGNER_ANSWER_MAX)
		return false;
	if (data[0] != SENSE_SIGNER_VERSION || data[1] < SENSE_SIGNER_AGENT || data[1] > SENSE_SIGNER_READY ||
	    data[2] > SENSE_SIGNER_FAILED || data[3])
		return false;
	*out = (struct sense_signer_answer){.kind = (enum sense_signer_kind)data[1],
	                                    .outcome = (enum sense_signer_outcome)data[2],
	                                    .id = get64(data + 4),
	                                    .body = data + SENSE_SIGNER_HEAD,
	                                    .len = len - SENSE_SIGNER_HEAD};
	if (out->outcome != SENSE_SIGNER_DONE)
		return true;
	return (out->kind == SENSE_SIGNER_READY) == !out->len;
}

static uint8_t *head_write(uint8_t *out, enum sense_signer_kind kind, unsigned outcome, uint64_t id)
{
	out[0] = SENSE_SIGNER_VERSION;
	out[1] = (uint8_t)kind;
	out[2] = (uint8_t)outcome;
	out[3] = 0;
	put64(out + 4, id);
	return out + SENSE_SIGNER_HEAD;
}

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
	if (len)
		memcpy(at, data, len);
	return at + len;
}

size_t sense_signer_request_write(const struct sense_signer_request *request, uint8_t *out)
{
	uint8_t *at = head_write(out, request->kind, 0, request->id);
	if (request->kind == SENSE_SIGNER_AGENT) {
		at = put(at, request->org, SENSE_UUID);
		at = put(at, request->agent, SENSE_UUID);
	}
	at = put(at, request->point, SENSE_KEY_POINT);
	return (size_t)(at - out);
}

size_t sense_signer_answer_write(const struct sense_signer_answer *answer, uint8_t *out)
{
	uint8_t *at = head_write(out, answer->kind, answer->outcome, answer->id);
	at = put(at, answer->body, answer->len);
	return (size_t)(at - out);
}

/* ---- UUIDs ------------------------------------------------------------------------------------------- */

bool sense_uuid_make(char out[37])
{
	uint8_t bytes[SENSE_UUID];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	uint64_t ms = sense_clock_us() / 1000;
	for (unsigned i = 0; i < 6; i++)
		bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
	bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f));
	bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
	sense_uuid_text(bytes, out);
	return true;
}
