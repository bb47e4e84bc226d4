#include "server/pki/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/platform/platform.h"
#include "core/proc/child.h"
#include "server/pki/signer_wire.h"

#define READY_MS 30000u /* decrypting two keys on a machine that has much to do */
#define STEP_MS 100
#define MEMORY ((uint64_t)512 << 20)

struct channel {
	int outside, inside; /* who asks, and the signer's */
};

struct sense_signer {
	const struct sense_signer_config *config;
	pid_t pid;
	unsigned count;
	struct channel channels[SENSE_SIGNER_WORKERS_MAX + 1]; /* the master's is the first */
};

/* ---- one message ----------------------------------------------------------------------------------------
 */

/* DER of a certificate that was just made, into out; its length, 0: it does not fit. */
static size_t certificate_put(X509 *certificate, uint8_t *out)
{
	uint8_t *at = out;
	int len = certificate ? i2d_X509(certificate, NULL) : 0;
	if (len <= 0 || len > (int)(2 * SENSE_CERTIFICATE_MAX))
		return 0;
	return (size_t)i2d_X509(certificate, &at);
}

static size_t certificate_make(const struct sense_ca *ca, const struct sense_signer_config *config,
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
		certificate = sense_certificate_agent(&ca->issuer, org, agent, public, time(NULL), err);
	} else {
		if (!count) {
			count = sense_ca_default_names(defaults);
			names = defaults;
		}
		certificate = sense_certificate_server(&ca->issuer, names, count, public, time(NULL), err);
	}
	size_t len = certificate_put(certificate, out);
	X509_free(certificate);
	EVP_PKEY_free(public);
	return len;
}

static size_t manifest_sign(const struct sense_ca *ca, const struct sense_signer_request *request,
                            uint8_t *out)
{
	uint8_t bytes[sizeof SENSE_SIGNER_DOMAIN + SENSE_SIGNER_MANIFEST_MAX], signature[SENSE_SIGNATURE_MAX];
	memcpy(bytes, SENSE_SIGNER_DOMAIN, sizeof SENSE_SIGNER_DOMAIN);
	memcpy(bytes + sizeof SENSE_SIGNER_DOMAIN, request->manifest, request->manifest_len);
	size_t len = ca->policy.sign(ca->policy.self, bytes,
	                             sizeof SENSE_SIGNER_DOMAIN + request->manifest_len, signature);
	if (len != SENSE_SIGNATURE_ED25519)
		return 0;
	memcpy(out, signature, len);
	return len;
}

size_t sense_signer_answer(const struct sense_ca *ca, const struct sense_signer_config *config, bool master,
                           const uint8_t *data, size_t len, uint8_t *out)
{
	sense_error why = {.message = "it could not be signed"};
	struct sense_signer_request request;
	uint8_t body[2 * SENSE_CERTIFICATE_MAX];
	if (!sense_signer_request_parse(data, len, &request))
		return 0;
	struct sense_signer_answer answer = {.kind = request.kind, .id = request.id, .body = body};
	if (request.kind == SENSE_SIGNER_SERVER && !master) {
		answer.outcome = SENSE_SIGNER_REFUSED;
		snprintf(why.message, sizeof why.message,
		         "only the master may have the server's certificate made");
	} else {
		answer.len = request.kind == SENSE_SIGNER_MANIFEST
		               ? manifest_sign(ca, &request, body)
		               : certificate_make(ca, config, &request, body, &why);
		answer.outcome = answer.len ? SENSE_SIGNER_DONE : SENSE_SIGNER_FAILED;
	}
	ERR_clear_error();
	if (answer.outcome != SENSE_SIGNER_DONE) {
		answer.body = (const uint8_t *)why.message;
		answer.len = strlen(why.message);
	}
	return sense_signer_answer_write(&answer, out);
}

/* ---- the child --------------------------------------------------------------------------------------------
 */

static void ready_tell(const sense_signer *signer, const sense_error *why)
{
	uint8_t out[SENSE_SIGNER_HEAD + sizeof why->message];
	struct sense_signer_answer answer = {.kind = SENSE_SIGNER_READY};
	if (why) {
		answer.outcome = SENSE_SIGNER_FAILED;
		answer.body = (const uint8_t *)why->message;
		answer.len = strlen(why->message);
	}
	(void)send(signer->channels[0].inside, out, sense_signer_answer_write(&answer, out), MSG_NOSIGNAL);
}

/* One message of one channel, so that none keeps the others waiting. */
static void channel_serve(const sense_signer *signer, const struct sense_ca *ca, unsigned number)
{
	static uint8_t in[SENSE_SIGNER_MESSAGE_MAX + 1], out[SENSE_SIGNER_MESSAGE_MAX];
	int fd = signer->channels[number].inside;
	ssize_t got = read(fd, in, sizeof in);
	if (got <= 0)
		return;
	size_t len = sense_signer_answer(ca, signer->config, !number, in, (size_t)got, out);
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

static void serve(const sense_signer *signer, const struct sense_ca *ca)
{
	bool full[SENSE_SIGNER_WORKERS_MAX + 1] = {false};
	fd_set ready;
	while (channels_wait(signer, full, &ready))
		for (unsigned i = 0; i < signer->count; i++)
			if (FD_ISSET(signer->channels[i].inside, &ready))
				channel_serve(signer, ca, i);
}

static enum sense_status child_begin(const sense_signer *signer, struct sense_ca *ca, sense_error *err)
{
	int outs[SENSE_SIGNER_WORKERS_MAX];
	enum sense_status status =
	    sense_ca_unlock(signer->config->dir, signer->config->passphrase_file, ca, err);
	if (status)
		return status;
	for (unsigned i = 1; i < signer->count; i++)
		outs[i - 1] = signer->channels[i].inside;
	struct sense_platform_lockdown what = {.out = signer->channels[0].inside,
	                                       .outs = outs,
	                                       .out_count = signer->count - 1,
	                                       .memory_bytes = MEMORY};
	return sense_platform_lockdown(&what, err);
}

static void child_main(const sense_signer *signer)
{
	sense_error err;
	struct sense_ca ca;
	if (child_begin(signer, &ca, &err)) {
		ready_tell(signer, &err);
		_exit(1);
	}
	ready_tell(signer, NULL);
	serve(signer, &ca);
	_exit(1);
}

/* ---- the master
 * --------------------------------------------------------------------------------------------- */

static enum sense_status channel_make(struct channel *channel, sense_error *err)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return sense_fail_errno(err, "pki", "no socket for the signer");
	*channel = (struct channel){ends[0], ends[1]};
	if (ends[1] >= FD_SETSIZE)
		return sense_fail(err, SENSE_E_LIMIT, "pki", "the signer's descriptors are too high: %d",
		                  ends[1]);
	return SENSE_OK;
}

sense_signer *sense_signer_new(const struct sense_signer_config *config, sense_error *err)
{
	if (config->workers > SENSE_SIGNER_WORKERS_MAX) {
		sense_fail(err, SENSE_E_LIMIT, "pki", "at most %u workers", SENSE_SIGNER_WORKERS_MAX);
		return NULL;
	}
	sense_signer *signer = calloc(1, sizeof *signer);
	if (!signer) {
		sense_fail(err, SENSE_E_MEMORY, "pki", "no memory for the signer");
		return NULL;
	}
	signer->config = config;
	for (unsigned i = 0; i <= config->workers; i++)
		signer->channels[i] = (struct channel){-1, -1};
	for (signer->count = 0; signer->count <= config->workers; signer->count++)
		if (channel_make(&signer->channels[signer->count], err)) {
			signer->count++;
			sense_signer_free(signer);
			return NULL;
		}
	return signer;
}

/* What the child says of itself, past answers that nobody took. */
static enum sense_status ready_wait(const sense_signer *signer, sense_error *err)
{
	uint8_t data[SENSE_SIGNER_MESSAGE_MAX];
	struct sense_signer_answer answer;
	struct pollfd wait = {.fd = signer->channels[0].outside, .events = POLLIN};
	for (unsigned waited = 0; waited < READY_MS; waited += STEP_MS) {
		if (poll(&wait, 1, STEP_MS) > 0) {
			ssize_t got = read(wait.fd, data, sizeof data);
			if (got <= 0 || !sense_signer_answer_parse(data, (size_t)got, &answer) ||
			    answer.kind != SENSE_SIGNER_READY)
				continue;
			if (answer.outcome == SENSE_SIGNER_DONE)
				return SENSE_OK;
			return sense_fail(err, SENSE_E_CONFIG, "pki", "%.*s", (int)answer.len,
			                  (const char *)answer.body);
		}
		siginfo_t ended = {0};
		if (!waitid(P_PID, (id_t)signer->pid, &ended, WEXITED | WNOHANG | WNOWAIT) &&
		    ended.si_pid == signer->pid)
			return sense_fail(err, SENSE_E_INTERNAL, "pki",
			                  "the signer ended before it could begin");
	}
	return sense_fail(err, SENSE_E_INTERNAL, "pki", "the signer did not begin within %d s",
	                  (int)READY_MS / 1000);
}

static void end(sense_signer *signer)
{
	if (!signer->pid)
		return;
	kill(signer->pid, SIGKILL);
	while (waitpid(signer->pid, NULL, 0) < 0 && errno == EINTR)
		;
	signer->pid = 0;
}

enum sense_status sense_signer_start(sense_signer *signer, sense_error *err)
{
	end(signer);
	pid_t pid = sense_child_fork();
	if (pid < 0)
		return sense_fail_errno(err, "pki", "cannot start the signer");
	if (!pid)
		child_main(signer);
	signer->pid = pid;
	enum sense_status status = ready_wait(signer, err);
	if (status)
		end(signer);
	return status;
}

bool sense_signer_exited(sense_signer *signer, pid_t pid, int status)
{
	if (!signer->pid || pid != signer->pid)
		return false;
	signer->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SENSE_PLATFORM_EXIT_DENIED)
		sense_log(SENSE_LOG_ERROR, "pki",
		          "the signer ended: it made a system call that it may not make");
	else if (WIFSIGNALED(status))
		sense_log(SENSE_LOG_ERROR, "pki", "the signer was ended by signal %d", WTERMSIG(status));
	else
		sense_log(SENSE_LOG_ERROR, "pki", "the signer ended with code %d", WEXITSTATUS(status));
	return true;
}

pid_t sense_signer_pid(const sense_signer *signer)
{
	return signer->pid;
}

int sense_signer_master_end(const sense_signer *signer)
{
	return signer->channels[0].outside;
}

static void channels_close(sense_signer *signer, int keep)
{
	for (unsigned i = 0; i < signer->count; i++) {
		if (signer->channels[i].outside >= 0 && signer->channels[i].outside != keep)
			close(signer->channels[i].outside);
		if (signer->channels[i].inside >= 0)
			close(signer->channels[i].inside);
	}
	signer->count = 0;
}

void sense_signer_free(sense_signer *signer)
{
	if (!signer)
		return;
	end(signer);
	channels_close(signer, -1);
	free(signer);
}

int sense_signer_end(const sense_signer *signer, unsigned worker)
{
	return worker + 1 < signer->count ? signer->channels[worker + 1].outside : -1;
}

int sense_signer_worker_end(sense_signer *signer, unsigned worker)
{
	int fd = sense_signer_end(signer, worker);
	channels_close(signer, fd);
	signer->pid = 0; /* not a child of this process */
	return fd;
}
