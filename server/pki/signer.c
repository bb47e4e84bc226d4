#include "server/pki/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/platform/platform.h"
#include "server/pki/signer_wire.h"

#define MEMORY ((uint64_t)512 << 20)

struct channel {
	int outside, inside; /* who asks, and the signer's */
};

struct sense_signer {
	const struct sense_signer_config *config;
	unsigned count;
	struct channel channels[SENSE_SIGNER_ENDS_MAX];
};

/* ---- one message --------------------------------------------------------------------------------------- */

/* DER of a certificate that was just made, into out; its length, 0: it does not fit. */
static size_t certificate_put(X509 *certificate, uint8_t *out)
{
	uint8_t *at = out;
	int len = certificate ? i2d_X509(certificate, NULL) : 0;
	if (len <= 0 || len > (int)SENSE_SIGNER_BODY_MAX)
		return 0;
	return (size_t)i2d_X509(certificate, &at);
}

static size_t certificate_make(const struct sense_issuer *ca, const struct sense_signer_config *config,
                               const struct sense_signer_request *request, uint8_t *out, sense_error *err)
{
	char org[SENSE_UUID_TEXT], agent[SENSE_UUID_TEXT];
	const char *defaults[4], *const *names = config->names;
	unsigned count = config->name_count;
	X509 *certificate;
	EVP_PKEY *public = sense_key_of_point(request->point);
	if (!public) {
		sense_fail(err, SENSE_E_FORMAT, "pki", "the key is no point of P-256");
		return 0;
	}
	if (request->kind == SENSE_SIGNER_AGENT) {
		sense_uuid_text(request->org, org);
		sense_uuid_text(request->agent, agent);
		certificate = sense_certificate_agent(ca, org, agent, public, time(NULL), err);
	} else {
		if (!count) {
			count = sense_ca_default_names(defaults);
			names = defaults;
		}
		certificate = sense_certificate_server(ca, names, count, public, time(NULL), err);
	}
	size_t len = certificate_put(certificate, out);
	X509_free(certificate);
	EVP_PKEY_free(public);
	return len;
}

size_t sense_signer_answer(const struct sense_issuer *ca, const struct sense_signer_config *config,
                           bool master, const uint8_t *data, size_t len, uint8_t *out)
{
	sense_error why = {.message = "it could not be signed"};
	struct sense_signer_request request;
	uint8_t body[SENSE_SIGNER_BODY_MAX];
	if (!sense_signer_request_parse(data, len, &request))
		return 0;
	struct sense_signer_answer answer = {.kind = request.kind, .id = request.id, .body = body};
	if (request.kind == SENSE_SIGNER_SERVER && !master) {
		answer.outcome = SENSE_SIGNER_REFUSED;
		snprintf(why.message, sizeof why.message,
		         "only the master may have the server's certificate made");
	} else {
		answer.len = certificate_make(ca, config, &request, body, &why);
		answer.outcome = answer.len ? SENSE_SIGNER_DONE : SENSE_SIGNER_FAILED;
	}
	ERR_clear_error();
	if (answer.outcome != SENSE_SIGNER_DONE) {
		answer.body = (const uint8_t *)why.message;
		answer.len = strlen(why.message);
	}
	return sense_signer_answer_write(&answer, out);
}

/* ---- the child ----------------------------------------------------------------------------------------- */

/* One message of one channel, so that none keeps the others waiting. */
static void channel_serve(const sense_signer *signer, const struct sense_issuer *ca, unsigned number)
{
	static uint8_t in[SENSE_SIGNER_REQUEST_MAX + 1], out[SENSE_SIGNER_ANSWER_MAX];
	int fd = signer->channels[number].inside;
	ssize_t got = read(fd, in, sizeof in);
	if (got <= 0)
		return;
	size_t len =
	    sense_signer_answer(ca, signer->config, number == SENSE_SIGNER_MASTER, in, (size_t)got, out);
	if (len)
		(void)send(fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/*
 * Waits for channels that have a request and room for its answer. One that has no room is waited for alone:
 * what its worker does not take is not worked out. Not by poll, which wants no more descriptors than
 * RLIMIT_NOFILE, 0 by now.
 */
static bool channels_wait(const sense_signer *signer, bool *full, fd_set *ready)
{
	fd_set room;
	int last = 0;
	FD_ZERO(ready);
	FD_ZERO(&room);
	for (unsigned i = 0; i < signer->count; i++) {
		int fd = signer->channels[i].inside;
		FD_SET(fd, full[i] ? &room : ready);
		last = fd > last ? fd : last;
	}
	if (select(last + 1, ready, &room, NULL, NULL) < 0) {
		FD_ZERO(ready);
		return errno == EINTR;
	}
	for (unsigned i = 0; i < signer->count; i++)
		if (full[i] && FD_ISSET(signer->channels[i].inside, &room))
			full[i] = false;
	room = *ready;
	if (select(last + 1, NULL, &room, NULL, &(struct timeval){0, 0}) < 0)
		FD_ZERO(&room);
	for (unsigned i = 0; i < signer->count; i++)
		if (FD_ISSET(signer->channels[i].inside, ready))
			full[i] = !FD_ISSET(signer->channels[i].inside, &room);
	*ready = room;
	return true;
}

static void serve(const sense_signer *signer, const struct sense_issuer *ca)
{
	bool full[SENSE_SIGNER_ENDS_MAX] = {false};
	fd_set ready;
	while (channels_wait(signer, full, &ready))
		for (unsigned i = 0; i < signer->count; i++)
			if (FD_ISSET(signer->channels[i].inside, &ready))
				channel_serve(signer, ca, i);
}

/* The signer's ends alone, in low numbers, as select wants them. */
static enum sense_status channels_gather(sense_signer *signer, sense_error *err)
{
	for (unsigned i = 0; i < signer->count; i++)
		close(signer->channels[i].outside);
	for (unsigned i = 0; i < signer->count; i++) {
		struct channel *channel = &signer->channels[i];
		int low = fcntl(channel->inside, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		channel->outside = -1;
		if (low < 0)
			return sense_fail_errno(err, "pki", "no descriptor for the signer");
		close(low < channel->inside ? channel->inside : low);
		channel->inside = low < channel->inside ? low : channel->inside;
		if (channel->inside >= FD_SETSIZE)
			return sense_fail(err, SENSE_E_LIMIT, "pki",
			                  "the signer's descriptors are too many: %d", channel->inside);
	}
	return SENSE_OK;
}

static enum sense_status lock_down(const sense_signer *signer, sense_error *err)
{
	int outs[SENSE_SIGNER_ENDS_MAX] = {-1};
	for (unsigned i = 0; i < signer->count; i++)
		outs[i] = signer->channels[i].inside;
	struct sense_platform_lockdown what = {
	    .out = outs[0], .outs = outs + 1, .out_count = signer->count - 1, .memory_bytes = MEMORY};
	return sense_platform_lockdown(&what, err);
}

int sense_signer_run(sense_signer *signer, void (*ready)(void *self, const sense_error *why), void *self)
{
	sense_error err;
	struct sense_issuer ca = {0};
	enum sense_status status =
	    sense_ca_unlock(signer->config->dir, signer->config->passphrase_file, &ca, &err);
	if (!status)
		status = channels_gather(signer, &err);
	ready(self, status ? &err : NULL);
	if (!status) {
		status = lock_down(signer, &err);
		if (status)
			sense_log(SENSE_LOG_ERROR, "pki", "the signer: %s", err.message);
		else
			serve(signer, &ca);
	}
	sense_ca_lock(&ca);
	return 1;
}

/* ---- the master ---------------------------------------------------------------------------------------- */

sense_signer *sense_signer_new(const struct sense_signer_config *config, sense_error *err)
{
	if (!config->ends || config->ends > SENSE_SIGNER_ENDS_MAX) {
		sense_fail(err, SENSE_E_LIMIT, "pki", "the signer serves 1 to %u processes, not %u",
		           SENSE_SIGNER_ENDS_MAX, config->ends);
		return NULL;
	}
	sense_signer *signer = calloc(1, sizeof *signer);
	if (!signer) {
		sense_fail(err, SENSE_E_MEMORY, "pki", "no memory for the signer");
		return NULL;
	}
	signer->config = config;
	for (; signer->count < config->ends; signer->count++) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends)) {
			sense_fail_errno(err, "pki", "no socket for the signer");
			sense_signer_free(signer);
			return NULL;
		}
		signer->channels[signer->count] = (struct channel){ends[0], ends[1]};
	}
	return signer;
}

static void channels_close(sense_signer *signer, int keep)
{
	for (unsigned i = 0; i < signer->count; i++) {
		if (signer->channels[i].outside != keep)
			close(signer->channels[i].outside);
		close(signer->channels[i].inside);
	}
	signer->count = 0;
}

void sense_signer_free(sense_signer *signer)
{
	if (signer)
		channels_close(signer, -1);
	free(signer);
}

int sense_signer_end(const sense_signer *signer, unsigned number)
{
	return number < signer->count ? signer->channels[number].outside : -1;
}

int sense_signer_take(sense_signer *signer, unsigned number)
{
	int fd = sense_signer_end(signer, number);
	channels_close(signer, fd);
	return fd;
}
