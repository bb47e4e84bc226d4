#include "server/pki/renewal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "server/pki/signer_wire.h"

#define EVERY_S 3600
#define AGAIN_S 60 /* after one that failed */
#define WAIT_MS 250
#define WAITS 20u

/* ---- is it due? ---------------------------------------------------------------------------------------- */

static bool is_name(const GENERAL_NAME *general, const char *name)
{
	int type;
	uint8_t address[16];
	const ASN1_STRING *value = GENERAL_NAME_get0_value(general, &type);
	size_t len = strlen(name);
	const void *wanted = name;
	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) {
		len = strchr(name, ':') ? 16 : 4;
		wanted = address;
	}
	return type == (wanted == name ? GEN_DNS : GEN_IPADD) && ASN1_STRING_length(value) == (int)len &&
	       !memcmp(ASN1_STRING_get0_data(value), wanted, len);
}

static bool has_names(X509 *certificate, const char *const *names, unsigned count)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool good = all && sk_GENERAL_NAME_num(all) == (int)count;
	for (unsigned i = 0; good && i < count; i++) {
		good = false;
		for (int j = 0; !good && j < (int)count; j++)
			good = is_name(sk_GENERAL_NAME_value(all, j), names[i]);
	}
	GENERAL_NAMES_free(all);
	return good;
}

const char *sense_renewal_why(X509 *ca, X509 *certificate, const char *const *names, unsigned count,
                              time_t now)
{
	if (!certificate)
		return "there is none that can be read";
	bool ours = X509_verify(certificate, X509_get0_pubkey(ca)) == 1;
	ERR_clear_error();
	if (!ours)
		return "another CA signed it";
	if (!has_names(certificate, names, count))
		return "the server has other names now";
	return sense_certificate_is_due(certificate, now) ? "two thirds of its time are over" : NULL;
}

/* ---- asking -------------------------------------------------------------------------------------------- */

/* False: no answer of ours came in that time. */
static bool answer_wait(int fd, uint64_t id, uint8_t *data, struct sense_signer_answer *answer)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	while (poll(&wait, 1, WAIT_MS) > 0) {
		ssize_t got = recv(fd, data, SENSE_SIGNER_ANSWER_MAX, MSG_DONTWAIT);
		if (got <= 0)
			return false;
		if (sense_signer_answer_parse(data, (size_t)got, answer) && answer->id == id &&
		    answer->kind == SENSE_SIGNER_SERVER)
			return true;
	}
	return false;
}

static X509 *ask(int fd, const uint8_t point[SENSE_KEY_POINT], sense_error *err)
{
	uint8_t message[SENSE_SIGNER_HEAD + SENSE_KEY_POINT], data[SENSE_SIGNER_ANSWER_MAX];
	struct sense_signer_request request = {.kind = SENSE_SIGNER_SERVER, .point = point};
	struct sense_signer_answer answer = {.kind = SENSE_SIGNER_SERVER};
	bool answered = false;
	if (RAND_bytes((unsigned char *)&request.id, sizeof request.id) != 1) {
		sense_fail(err, SENSE_E_INTERNAL, "pki", "no randomness for a request");
		return NULL;
	}
	size_t len = sense_signer_request_write(&request, message);
	for (unsigned i = 0; !answered && i < WAITS; i++) {
		(void)send(fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		answered = answer_wait(fd, request.id, data, &answer);
	}
	const unsigned char *at = answer.body;
	X509 *certificate =
	    answered && answer.outcome == SENSE_SIGNER_DONE ? d2i_X509(NULL, &at, (long)answer.len) : NULL;
	if (!answered)
		sense_fail(err, SENSE_E_IO, "pki", "the signer did not answer");
	else if (!certificate)
		sense_fail(err, SENSE_E_INTERNAL, "pki", "the signer: %.*s", (int)answer.len,
		           (const char *)answer.body);
	return certificate;
}

/* ---- both ---------------------------------------------------------------------------------------------- */

static enum sense_status renew(int fd, const struct sense_signer_config *config, X509 *ca, sense_error *err)
{
	EVP_PKEY *key;
	uint8_t point[SENSE_KEY_POINT];
	enum sense_status status =
	    sense_key_read(config->dir, SENSE_CA_SERVER_KEY, SENSE_KEY_P256, NULL, &key, err);
	if (status)
		return status;
	X509 *certificate = NULL;
	if (sense_key_point(key, point))
		certificate = ask(fd, point, err);
	else
		sense_fail(err, SENSE_E_FORMAT, "pki", "%s/%s is no key of P-256", config->dir,
		           SENSE_CA_SERVER_KEY);
	X509 *chain[] = {certificate, ca};
	status = certificate
	           ? sense_certificate_write(config->dir, SENSE_CA_SERVER_CERTIFICATE, chain, 2, true, err)
	           : SENSE_E_INTERNAL;
	X509_free(certificate);
	EVP_PKEY_free(key);
	return status;
}

enum sense_status sense_renewal_tend(int fd, const struct sense_signer_config *config, time_t now,
                                     bool *renewed, sense_error *err)
{
	const char *defaults[4], *const *names = config->names;
	unsigned count = config->name_count;
	X509 *ca, *certificate = NULL;
	*renewed = false;
	if (!count) {
		count = sense_ca_default_names(defaults);
		names = defaults;
	}
	enum sense_status status = sense_certificate_read(config->dir, SENSE_CA_CERTIFICATE, &ca, err);
	if (status)
		return status;
	(void)sense_certificate_read(config->dir, SENSE_CA_SERVER_CERTIFICATE, &certificate, NULL);
	const char *why = sense_renewal_why(ca, certificate, names, count, now);
	if (why)
		status = renew(fd, config, ca, err);
	if (why && !status) {
		*renewed = true;
		sense_log(SENSE_LOG_INFO, "pki", "%s/%s was made anew: %s", config->dir,
		          SENSE_CA_SERVER_CERTIFICATE, why);
	}
	X509_free(certificate);
	X509_free(ca);
	return status;
}

int sense_renewal_run(sense_signer *signer, const struct sense_signer_config *config)
{
	sense_error err;
	int fd = sense_signer_take(signer, SENSE_SIGNER_MASTER);
	if (fd < 0)
		return 1;
	for (;;) {
		bool renewed;
		enum sense_status status = sense_renewal_tend(fd, config, time(NULL), &renewed, &err);
		if (status)
			sense_log(SENSE_LOG_ERROR, "pki", "the server's certificate: %s", err.message);
		if (renewed)
			kill(getppid(), SIGHUP);
		sleep(status ? AGAIN_S : EVERY_S);
	}
}
