/*
 * The signer's wire, both ends: any bytes as a request, answered with keys of the moment, and any bytes as an
 * answer. What the signer says must be what its clients can read.
 */
#include "server/pki/signer.h"

#include <stdlib.h>
#include <string.h>

#include "server/pki/signer_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sense_issuer ca;

static void ca_make(void)
{
	sense_error err;
	EVP_PKEY *key = sense_key_make(SENSE_KEY_P256, &err);
	if (!key)
		abort();
	sense_signer_key_of(key, &ca.key);
	ca.certificate = sense_certificate_ca("fuzz", key, &ca.key, time(NULL), &err);
	EVP_PKEY_free(key);
	if (!ca.certificate)
		abort();
}

static void request_try(const uint8_t *data, size_t size, bool master)
{
	static const struct sense_signer_config config = {0};
	static uint8_t out[SENSE_SIGNER_ANSWER_MAX], same[SENSE_SIGNER_REQUEST_MAX];
	struct sense_signer_request request;
	struct sense_signer_answer answer;
	bool good = sense_signer_request_parse(data, size, &request);
	size_t len = sense_signer_answer(&ca, &config, master, data, size, out);
	if (good != (len > 0))
		abort();
	if (!good)
		return;
	if (!sense_signer_answer_parse(out, len, &answer) || answer.id != request.id ||
	    answer.kind != request.kind)
		abort();
	if (request.kind == SENSE_SIGNER_SERVER && !master && answer.outcome != SENSE_SIGNER_REFUSED)
		abort();
	/* What was read is written as it was. */
	if (sense_signer_request_write(&request, same) != size || memcmp(same, data, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[SENSE_SIGNER_ANSWER_MAX];
	struct sense_signer_answer answer;
	if (!ca.certificate)
		ca_make();
	request_try(data, size, true);
	request_try(data, size, false);
	if (sense_signer_answer_parse(data, size, &answer) &&
	    (sense_signer_answer_write(&answer, out) != size || memcmp(out, data, size) != 0))
		abort();
	return 0;
}
