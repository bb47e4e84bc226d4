/* What is read of certificates, and their files. */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "server/pki/certificate.h"
#include "server/pki/fail.h"
#include "server/pki/place.h"

static time_t time_of(const ASN1_TIME *when)
{
	struct tm utc;
	return when && ASN1_TIME_to_tm(when, &utc) ? timegm(&utc) : 0;
}

time_t sense_certificate_end(const X509 *certificate)
{
	return time_of(X509_get0_notAfter(certificate));
}

bool sense_certificate_is_due(const X509 *certificate, time_t now)
{
	time_t begin = time_of(X509_get0_notBefore(certificate)), end = sense_certificate_end(certificate);
	return now >= begin + (end - begin) / 3 * 2;
}

size_t sense_certificate_serial(const X509 *certificate, uint8_t serial[SENSE_CERTIFICATE_SERIAL])
{
	const ASN1_INTEGER *number = X509_get0_serialNumber(certificate);
	const unsigned char *data = ASN1_STRING_get0_data(number);
	int len = ASN1_STRING_length(number);
	if (ASN1_STRING_type(number) != V_ASN1_INTEGER)
		return 0; /* negative */
	for (; len > 0 && !*data; len--)
		data++;
	if (len <= 0 || len > (int)SENSE_CERTIFICATE_SERIAL)
		return 0;
	memcpy(serial, data, (size_t)len);
	return (size_t)len;
}

bool sense_certificate_fingerprint(const X509 *certificate, uint8_t out[32])
{
	unsigned len = 32;
	return X509_digest(certificate, EVP_sha256(), out, &len) == 1 && len == 32;
}

enum sense_status sense_certificate_write(const char *dir, const char *name, X509 *const *chain,
                                          unsigned count, bool replace, sense_error *err)
{
	char *text;
	BIO *out = BIO_new(BIO_s_mem());
	bool good = out != NULL;
	for (unsigned i = 0; good && i < count; i++)
		good = PEM_write_bio_X509(out, chain[i]) == 1;
	enum sense_status status = SENSE_OK;
	if (!good) {
		status = sense_pki_fail(err, SENSE_E_INTERNAL, "cannot encode %s/%s", dir, name);
	} else {
		long len = BIO_get_mem_data(out, &text);
		status = sense_ca_file_write(dir, name, 0644, text, (size_t)len, replace, err);
	}
	BIO_free(out);
	return status;
}

enum sense_status sense_certificate_read(const char *dir, const char *name, X509 **out, sense_error *err)
{
	char path[PATH_MAX], *text;
	size_t len;
	*out = NULL;
	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= PATH_MAX)
		return sense_fail(err, SENSE_E_CONFIG, "pki", "the path of %s is too long", name);
	enum sense_status status = sense_ca_file_read(path, SENSE_CA_FILE_PUBLIC, &text, &len, err);
	if (status)
		return status;
	ERR_clear_error();
	BIO *in = BIO_new_mem_buf(text, -1);
	*out = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	if (!*out)
		status = sense_pki_fail(err, SENSE_E_FORMAT, "%s holds no certificate", path);
	BIO_free(in);
	sense_ca_text_free(text, len);
	return status;
}
