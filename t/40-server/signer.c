/* The signer as a process: what it signs, what it may not, and that neither its death nor a worker's loses a
 * request. */
#include "server/pki/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/pki/peer.h"
#include "server/pki/renewal.h"
#include "server/pki/signer_client.h"
#include "server/pki/signer_wire.h"
#include "t/tap.h"

static sense_error err;
static char dir[64];
static struct ev_loop *loop;
static pid_t signer_pid;
static struct sense_ca_public public;
static const char org[] = "0190aaaa-1111-7000-8000-00000000000a",
		  agent[] = "0190aaaa-2222-7000-8000-00000000000b";
static uint8_t point[SENSE_KEY_POINT];

/* What came back: of the last, and how many. */
static struct {
	unsigned good, bad;
	enum sense_status status;
	char message[256];
	uint8_t data[4096];
	size_t len;
} got;

static unsigned wanted;

static void on_signed(void *self, const struct sense_signed *result)
{
	(void)self;
	got.status = result->status;
	got.good += !result->status;
	got.bad += result->status != SENSE_OK;
	got.len = result->len;
	snprintf(got.message, sizeof got.message, "%s", result->message ? result->message : "");
	if (result->data)
		memcpy(got.data, result->data, result->len);
	if (got.good + got.bad == wanted)
		ev_break(loop, EVBREAK_ALL);
}

static void wait_for(unsigned count)
{
	wanted = got.good + got.bad + count;
	ev_run(loop, 0);
}

static X509 *certificate_got(void)
{
	const unsigned char *at = got.data;
	return d2i_X509(NULL, &at, (long)got.len);
}

static void signs(sense_signer_client *worker)
{
	struct sense_peer peer;
	ok(!sense_signer_agent(worker, org, agent, point, on_signed, NULL, &err), "asked for an agent");
	is_num(got.good + got.bad, 0, "not answered from within");
	wait_for(1);
	X509 *certificate = certificate_got();
	ok(certificate && !sense_pki_peer(public.certificate, certificate, time(NULL), &peer, &err) &&
	       !strcmp(peer.agent, agent) && !strcmp(peer.org, org),
	   "a certificate that is ours: %s", err.message);
	uint8_t key[SENSE_KEY_POINT];
	ok(sense_key_point(X509_get0_pubkey(certificate), key) && !memcmp(key, point, sizeof key),
	   "with the key of the request");
	X509_free(certificate);
}

/* What no client of ours asks for, as a process that was taken over might. */
static X509 *server_ask(int fd, struct sense_signer_answer *answer)
{
	static uint8_t data[SENSE_SIGNER_ANSWER_MAX];
	uint8_t message[SENSE_SIGNER_REQUEST_MAX];
	const struct sense_signer_request request = {.kind = SENSE_SIGNER_SERVER, .id = 7, .point = point};
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	(void)send(fd, message, sense_signer_request_write(&request, message), MSG_NOSIGNAL);
	ssize_t len = poll(&wait, 1, 30000) == 1 ? recv(fd, data, sizeof data, 0) : -1;
	if (len <= 0 || !sense_signer_answer_parse(data, (size_t)len, answer) || answer->id != 7)
		return NULL;
	const unsigned char *at = answer->body;
	return answer->outcome ? NULL : d2i_X509(NULL, &at, (long)answer->len);
}

static void signs_server(sense_signer *signer)
{
	struct sense_signer_answer answer = {.outcome = SENSE_SIGNER_DONE};
	X509 *certificate = server_ask(sense_signer_end(signer, 3), &answer);
	ok(!certificate && answer.outcome == SENSE_SIGNER_REFUSED &&
	       memmem(answer.body, answer.len, "only the master", 15),
	   "a worker gets no certificate of the server");
	certificate = server_ask(sense_signer_end(signer, SENSE_SIGNER_MASTER), &answer);
	ok(certificate && X509_check_host(certificate, "sense.example", 0, 0, NULL) == 1 &&
	       X509_check_ip_asc(certificate, "192.0.2.7", 0) == 1,
	   "the master does, for the names that are set");
	X509_free(certificate);
}

static void refuses(sense_signer_client *worker)
{
	uint8_t off[SENSE_KEY_POINT];
	memcpy(off, point, sizeof off);
	off[64] ^= 1;
	sense_signer_agent(worker, org, agent, off, on_signed, NULL, &err);
	wait_for(1);
	ok(got.status && strstr(got.message, "no point"), "a key that is not on the curve");
	is_num(sense_signer_agent(worker, "acme", agent, point, on_signed, NULL, &err), SENSE_E_FORMAT,
	       "an organization's name");
}

/* ---- the process, as a master would have it ------------------------------------------------------------ */

static void on_ready(void *self, const sense_error *why)
{
	const int *fd = self;
	const char *text = why ? why->message : "";
	(void)!write(*fd, text, strlen(text) + 1);
}

/* "": it serves; else why not. */
static const char *start(sense_signer *signer)
{
	static char text[1024];
	int ends[2];
	(void)!pipe(ends);
	signer_pid = fork();
	if (!signer_pid) {
		signal(SIGTERM, SIG_DFL);
		_exit(sense_signer_run(signer, on_ready, &ends[1]));
	}
	close(ends[1]);
	if (read(ends[0], text, sizeof text - 1) <= 0)
		strcpy(text, "it said nothing");
	close(ends[0]);
	return text;
}

static int stop(int how)
{
	int status;
	kill(signer_pid, how);
	waitpid(signer_pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* What the kernel says of the process. */
static bool status_is(pid_t pid, const char *name, const char *value)
{
	char path[64], line[256];
	bool is = false;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *in = fopen(path, "r");
	while (in && !is && fgets(line, sizeof line, in)) {
		line[strcspn(line, "\n")] = '\0';
		is = !strncmp(line, name, strlen(name)) && strstr(line, value);
	}
	if (in)
		fclose(in);
	return is;
}

static void locked(void)
{
	pid_t pid = signer_pid;
	ok(status_is(pid, "NoNewPrivs:", "1"), "it can gain no privilege");
	ok(status_is(pid, "CapEff:", "0000000000000000") &&
	       (geteuid() || status_is(pid, "CapBnd:", "0000000000000000")),
	   "and has none");
	ok(status_is(pid, "Seccomp:", "2"), "its system calls are filtered");
}

static void hostile(sense_signer_client *worker, int fd)
{
	static uint8_t garbage[8192];
	unsigned sent = 0;
	for (unsigned i = 0; i < 2000; i++) {
		for (size_t j = 0; j < 128; j++)
			garbage[j] = (uint8_t)rand();
		garbage[0] = i % 3 ? 1 : garbage[0];
		garbage[1] = i % 3 ? (uint8_t)(i % 5) : garbage[1];
		garbage[2] = garbage[3] = 0;
		size_t len = i % 7 ? (size_t)rand() % 160 : sizeof garbage - (size_t)rand() % 200;
		ssize_t did;
		while ((did = send(fd, garbage, len ? len : 1, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 &&
		       errno == EAGAIN)
			while (recv(fd, garbage + 256, 4096, MSG_DONTWAIT) > 0)
				;
		sent += did >= 0;
	}
	ok(sent > 1000, "%u messages of nonsense", sent);
	while (recv(fd, garbage, sizeof garbage, MSG_DONTWAIT) > 0)
		;
	ok(!sense_signer_agent(worker, org, agent, point, on_signed, NULL, &err), "then a request");
	wait_for(1);
	is_num(got.status, SENSE_OK, "which is signed");
	is_num(waitpid(signer_pid, NULL, WNOHANG), 0, "by the same process");
}

/* One that asks and asks and takes no answer: others are answered meanwhile, and it in the end. */
static void crowded(sense_signer *signer, sense_signer_client *worker)
{
	uint8_t message[256], out[SENSE_SIGNER_ANSWER_MAX], org_bytes[16] = {1}, agent_bytes[16] = {2};
	struct sense_signer_request request = {
	    .kind = SENSE_SIGNER_AGENT, .org = org_bytes, .agent = agent_bytes, .point = point};
	struct sense_signer_answer answer;
	int fd = sense_signer_end(signer, 3);
	unsigned asked = 0, answered = 0, good = got.good;
	for (unsigned turn = 0; turn < 20; turn++) {
		size_t len = sense_signer_request_write(&request, message);
		while (asked < 5000 && send(fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
			request.id = ++asked;
			len = sense_signer_request_write(&request, message);
		}
		sense_signer_agent(worker, org, agent, point, on_signed, NULL, &err);
		wait_for(1);
	}
	is_num(got.good - good, 20, "beside one that asks too much others are answered");
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	while (answered < asked && poll(&wait, 1, 30000) > 0) {
		ssize_t len = recv(fd, out, sizeof out, MSG_DONTWAIT);
		if (len <= 0 || !sense_signer_answer_parse(out, (size_t)len, &answer) ||
		    answer.id != answered || answer.outcome != SENSE_SIGNER_DONE)
			break;
		answered++;
	}
	ok(asked > 20 && answered == asked, "and it, when it reads: %u of %u, in their order", answered,
	   asked);
}

static void restarted(sense_signer *signer, sense_signer_client *worker)
{
	unsigned good = got.good;
	for (unsigned i = 0; i < 40; i++)
		sense_signer_agent(worker, org, agent, point, on_signed, NULL, &err);
	is_num(stop(SIGKILL), SIGKILL, "it is killed");
	for (unsigned i = 0; i < 40; i++)
		sense_signer_agent(worker, org, agent, point, on_signed, NULL, &err);
	is_str(start(signer), "", "and is there again");
	wait_for(80);
	is_num(got.good - good, 80, "all requests of before and after are answered");
}

/* Taken and never answered, as by one that dies in between: asked again by itself. */
static void lost(void)
{
	int ends[2];
	uint8_t data[512], again[512], out[SENSE_SIGNER_ANSWER_MAX];
	struct sense_issuer ca;
	struct sense_signer_config config = {0};
	unsigned good = got.good;
	ok(!sense_ca_unlock(dir, NULL, &ca, &err), "the keys");
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	sense_signer_client *client = sense_signer_client_new(loop, ends[0], 4, &err);
	sense_signer_agent(client, org, agent, point, on_signed, NULL, &err);
	ssize_t len = read(ends[1], data, sizeof data);
	while (recv(ends[1], again, sizeof again, MSG_DONTWAIT) < 0)
		ev_run(loop, EVRUN_ONCE);
	ok(len > 0 && !memcmp(data, again, (size_t)len), "what goes unanswered is asked once more");
	for (unsigned i = 0; i < 3; i++) {
		size_t size = sense_signer_answer(&ca, &config, false, again, (size_t)len, out);
		out[11] ^= i == 0; /* of another request */
		out[0] ^= i == 1;  /* of another version */
		(void)!write(ends[1], out, size);
	}
	(void)!write(ends[1], out, sense_signer_answer(&ca, &config, false, again, (size_t)len, out));
	wait_for(1);
	ev_run(loop, EVRUN_NOWAIT);
	is_num(got.good - good, 1, "two answers to it are one");
	sense_ca_lock(&ca);
	sense_signer_client_free(client);

	client = sense_signer_client_new(loop, ends[0], 0.4, &err);
	unsigned bad = got.bad, taken = 0;
	while (!sense_signer_agent(client, org, agent, point, on_signed, NULL, &err))
		taken++;
	is_num(taken, SENSE_SIGNER_WAITING_MAX, "what waits is bounded");
	wait_for(taken);
	is_num(got.bad - bad, taken, "who gets no answer is told: %s", got.message);
	sense_signer_agent(client, org, agent, point, on_signed, NULL, &err);
	wanted = 0;
	sense_signer_client_free(client);
	is_num(got.bad - bad, taken + 1, "at the end, too");
	close(ends[0]);
	close(ends[1]);
}

/* A worker dies with answers on their way; its successor has the same socket. */
static void successor(sense_signer *signer)
{
	int status;
	pid_t pid = fork();
	if (!pid) {
		int fd = sense_signer_take(signer, 2);
		struct ev_loop *mine = ev_loop_new(0);
		sense_signer_client *client = sense_signer_client_new(mine, fd, 0, &err);
		for (unsigned i = 0; i < 50; i++)
			sense_signer_agent(client, org, agent, point, on_signed, NULL, &err);
		_exit(7);
	}
	waitpid(pid, &status, 0);
	is_num(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7, "a worker asks and ends");
	pid = fork();
	if (!pid) {
		loop = ev_loop_new(0);
		int fd = sense_signer_take(signer, 2);
		sense_signer_client *client = sense_signer_client_new(loop, fd, 0, &err);
		got.good = got.bad = 0;
		for (unsigned i = 0; i < 50; i++)
			sense_signer_agent(client, org, agent, point, on_signed, NULL, &err);
		wait_for(50);
		_exit(got.good == 50 ? 7 : 1);
	}
	waitpid(pid, &status, 0);
	is_num(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7, "its successor gets its own answers");
}

/* The child that does so, of a master that waits for its word. */
static void told(sense_signer *signer, const struct sense_signer_config *config, const char *path)
{
	sigset_t hup;
	int got_signal = 0;
	struct stat st;
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);
	pid_t pid = fork();
	if (!pid)
		_exit(sense_renewal_run(signer, config));
	ok(!sigwait(&hup, &got_signal) && got_signal == SIGHUP && !stat(path, &st),
	   "a child does so, and tells the master");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	sigprocmask(SIG_UNBLOCK, &hup, NULL);
}

/* The server's own certificate. */
static void renewed(sense_signer *signer, const struct sense_signer_config *config)
{
	bool anew;
	int fd = sense_signer_end(signer, SENSE_SIGNER_MASTER);
	X509 *before, *after;
	char path[128];
	time_t now = time(NULL);
	ok(!sense_renewal_tend(fd, config, now, &anew, &err) && !anew,
	   "a good certificate of the server stays: %s", err.message);
	ok(!sense_certificate_read(dir, "server.pem", &before, &err) &&
	       sense_renewal_why(public.certificate, before, config->names, 2, now + 244 * 86400) &&
	       !sense_renewal_why(public.certificate, before, config->names, 2, now + 242 * 86400),
	   "it is due at two thirds");
	ok(!sense_renewal_tend(fd, config, now + 244 * 86400, &anew, &err) && anew,
	   "then it is made anew: %s", err.message);
	ok(!sense_certificate_read(dir, "server.pem", &after, &err) && X509_cmp(before, after) &&
	       EVP_PKEY_eq(X509_get0_pubkey(before), X509_get0_pubkey(after)) == 1,
	   "with the same key");
	ok(!sense_renewal_why(public.certificate, after, config->names, 2, now), "and good");
	const char *turned[] = {"192.0.2.7", "sense.example"}, *others[] = {"sense.example", "192.0.2.8"};
	ok(!sense_renewal_why(public.certificate, after, turned, 2, now),
	   "names in another order are the same");
	ok(sense_renewal_why(public.certificate, after, others, 2, now) &&
	       sense_renewal_why(public.certificate, after, turned, 1, now),
	   "others are not");
	ok(sense_renewal_why(before, after, config->names, 2, now) != NULL, "nor is another CA");
	snprintf(path, sizeof path, "%s/server.pem", dir);
	unlink(path);
	ok(!sense_renewal_tend(fd, config, now, &anew, &err) && anew && sense_ca_has(dir, "server.pem"),
	   "one that is gone is made");
	X509_free(before);
	X509_free(after);
	unlink(path);
	told(signer, config, path);
	stop(SIGKILL);
	unlink(path);
	is_num(sense_renewal_tend(fd, config, now, &anew, &err), SENSE_E_INTERNAL,
	       "without a signer it is not");
	ok(!anew && strstr(err.message, "did not answer"), "which is said");
}

static void rate(sense_signer_client *worker)
{
	struct timespec from, to;
	enum { COUNT = 1000 };
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned i = 0; i < COUNT; i++) {
		sense_signer_agent(worker, org, agent, point, on_signed, NULL, &err);
		if (i % 100 == 99)
			wait_for(100);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	fprintf(stderr, "# %.0f certificates a second\n", COUNT / seconds);
}

static void begin(void)
{
	bool passphrase;
	char wrong[128];
	const char *names[] = {"sense.example", "192.0.2.7"};
	struct sense_ca_init what = {.dir = dir, .names = names, .name_count = 2};
	ok(!sense_ca_init(&what, &passphrase, &err) && !sense_ca_public_read(dir, &public, &err), "a CA");
	EVP_PKEY *key = sense_key_make(SENSE_KEY_P256, &err);
	ok(sense_key_point(key, point), "a key");
	EVP_PKEY_free(key);
	snprintf(wrong, sizeof wrong, "%s/wrong", dir);
	int fd = open(wrong, O_WRONLY | O_CREAT, 0600);
	(void)!write(fd, "no\n", 3);
	close(fd);
	struct sense_signer_config config = {.dir = dir, .passphrase_file = wrong, .ends = 1};
	sense_signer *signer = sense_signer_new(&config, &err);
	const char *why = start(signer);
	ok(strstr(why, "passphrase") && strstr(why, "ca.key"), "with another passphrase: %s", why);
	is_num(stop(0), -1, "it ends");
	sense_signer_free(signer);
	config.ends = SENSE_SIGNER_ENDS_MAX + 1;
	ok(!sense_signer_new(&config, &err), "too many processes");
	config = (struct sense_signer_config){.dir = dir, .ends = SENSE_SIGNER_ENDS_MAX};
	signer = sense_signer_new(&config, &err);
	is_str(signer ? start(signer) : err.message, "", "as many as there may be");
	is_num(stop(SIGTERM), SIGTERM, "it ends when it is told");
	sense_signer_free(signer);
}

int main(void)
{
	char line[128];
	strcpy(dir, "/tmp/sense-signer-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	alarm(300);
	signal(SIGPIPE, SIG_IGN);
	loop = ev_loop_new(0);
	begin();
	const char *names[] = {"sense.example", "192.0.2.7"};
	struct sense_signer_config config = {.dir = dir, .names = names, .name_count = 2, .ends = 4};
	sense_signer *signer = sense_signer_new(&config, &err);
	is_str(signer ? start(signer) : err.message, "", "the signer");
	/* Master and workers are one process here. */
	int fd = sense_signer_end(signer, 1);
	sense_signer_client *worker = sense_signer_client_new(loop, fd, 0, &err);
	signs(worker);
	signs_server(signer);
	refuses(worker);
	locked();
	hostile(worker, fd);
	crowded(signer, worker);
	restarted(signer, worker);
	successor(signer);
	rate(worker);
	sense_signer_client_free(worker);
	lost();
	renewed(signer, &config);
	sense_signer_free(signer);
	sense_ca_public_free(&public);
	ev_loop_destroy(loop);
	snprintf(line, sizeof line, "rm -rf %s", dir);
	return system(line) ? 1 : tap_done();
}
