/*
 * A certificate request: any bytes. What is taken must be on the curve, and must be the same as what OpenSSL
 * makes of the request.
 */
#include "server/pki/request.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sense_error err;
	uint8_t point[SENSE_KEY_POINT], again[SENSE_KEY_POINT];
	if (sense_request_read(data, size, point, &err)) {
		if (strnlen(err.message, sizeof err.message) == sizeof err.message || !err.status)
			abort();
		return 0;
	}
	if (size > SENSE_REQUEST_MAX)
		abort();
	EVP_PKEY *key = sense_key_of_point(point);
	if (!key || !sense_key_is(key, SENSE_KEY_P256) || !sense_key_point(key, again) ||
	    memcmp(point, again, sizeof point))
		abort();
	EVP_PKEY_free(key);
	return 0;
}
