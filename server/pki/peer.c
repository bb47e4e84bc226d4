#include "server/pki/peer.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "proto/uuid.h"
#include "server/pki/certificate.h"

static enum sense_status refuse(sense_error *err, const char *why)
{
	ERR_clear_error();
	return sense_fail(err, SENSE_E_FORMAT, "pki", "client certificate: %s", why);
}

static bool issued_by(X509 *ca, X509 *certificate)
{
	EVP_PKEY *key = X509_get0_pubkey(ca);
	return key && X509_check_issued(ca, certificate) == X509_V_OK &&
	       X509_get_signature_nid(certificate) == NID_ecdsa_with_SHA256 &&
	       X509_verify(certificate, key) == 1;
}

static bool good_at(const X509 *certificate, time_t now)
{
	return X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0 &&
	       X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0;
}

/* The subject's part at this place: it must be alone there, of this kind, and a UUID. */
static bool uuid_take(const X509_NAME *subject, int at, int nid, char out[SENSE_UUID_TEXT])
{
	const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
	if (!entry || OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != nid ||
	    X509_NAME_ENTRY_set(entry) != at)
		return false;
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
	int type = ASN1_STRING_type(value);
	if ((type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING) ||
	    ASN1_STRING_length(value) != SENSE_UUID_TEXT - 1)
		return false;
	memcpy(out, ASN1_STRING_get0_data(value), SENSE_UUID_TEXT - 1);
	out[SENSE_UUID_TEXT - 1] = '\0';
	return sense_uuid_is(out);
}

/* The one alternative name that it has says the same. */
static bool uri_agrees(X509 *certificate, const char *agent)
{
	char wanted[sizeof SENSE_CERTIFICATE_URI + SENSE_UUID_TEXT];
	int type = 0, len = snprintf(wanted, sizeof wanted, SENSE_CERTIFICATE_URI "%s", agent);
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool good = names && sk_GENERAL_NAME_num(names) == 1;
	if (good) {
		const ASN1_STRING *uri = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), &type);
		good = type == GEN_URI && ASN1_STRING_length(uri) == len &&
		       !memcmp(ASN1_STRING_get0_data(uri), wanted, (size_t)len);
	}
	GENERAL_NAMES_free(names);
	return good;
}

enum sense_status sense_pki_peer(X509 *ca, X509 *certificate, time_t now, struct sense_peer *out,
                                 sense_error *err)
{
	if (!certificate)
		return refuse(err, "none was shown");
	if (!issued_by(ca, certificate))
		return refuse(err, "another CA signed it");
	if (!good_at(certificate, now))
		return refuse(err, "it is over, or not good yet");
	uint32_t usage = X509_get_extended_key_usage(certificate);
	if (X509_check_ca(certificate) || usage == UINT32_MAX || !(usage & XKU_SSL_CLIENT) ||
	    usage & XKU_SSL_SERVER)
		return refuse(err, "it was not made for agents");
	const X509_NAME *subject = X509_get_subject_name(certificate);
	if (X509_NAME_entry_count(subject) != 2 || !uuid_take(subject, 0, NID_organizationName, out->org) ||
	    !uuid_take(subject, 1, NID_commonName, out->agent) || !uri_agrees(certificate, out->agent))
		return refuse(err, "its subject is not an organization and an agent");
	_Static_assert(sizeof out->serial == SENSE_CERTIFICATE_SERIAL, "a serial fits");
	out->serial_len = sense_certificate_serial(certificate, out->serial);
	return out->serial_len ? SENSE_OK : refuse(err, "its serial number is none");
}
