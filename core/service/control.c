#include "core/service/control.h"

#include <errno.h>
#include <ev.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/platform/platform.h"

#define CLIENT_S 10.0  /* to send its request, and to take the answer */
#define RELOAD_S 60.0  /* to wait for the end of a reload */
#define TAKE_OVER_TRIES 10u
#define TAKE_OVER_US 50000

struct client {
	struct sense_control *control;
	ev_io io;
	ev_timer timer;
	char line[SENSE_CONTROL_LINE_MAX];
	size_t have;
	struct sense_control_request request;
	uint64_t waits_for; /* number of a reload; 0: none */
	struct sense_buf reply;
	size_t sent;
	bool used;
	bool guest; /* of the group: may ask for the status alone */
};

struct sense_control {
	struct ev_loop *loop;
	struct sense_control_ops ops;
	ev_io io;
	struct sockaddr_un address;
	struct client clients[SENSE_CONTROL_CLIENTS_MAX];
};

/* ---- requests ------------------------------------------------------------------------------------- */

static bool word_is(const char *word, size_t len, const char *wanted)
{
	return strlen(wanted) == len && !memcmp(word, wanted, len);
}

/* Decimal digits alone, within 64 bits. */
static bool number_is(const char *word, size_t len, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(unsigned char)word[i] - '0';
		if (digit > 9 || __builtin_mul_overflow(*out, 10u, out) ||
		    __builtin_add_overflow(*out, digit, out))
			return false;
	}
	return len > 0;
}

static bool what_take(struct sense_control_request *out, const char *word, size_t len)
{
	static const char *const names[] = {
	    [SENSE_CONTROL_STATUS] = "status",
	    [SENSE_CONTROL_RELOAD] = "reload",
	    [SENSE_CONTROL_FINDINGS] = "findings",
	    [SENSE_CONTROL_ACK] = "ack",
	};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (word_is(word, len, names[i])) {
			out->what = (enum sense_control_what)i;
			return true;
		}
	return false;
}

static bool flag_take(bool *flag, const char *name, const char *word, size_t len)
{
	if (*flag || !word_is(word, len, name))
		return false;
	return *flag = true;
}

/* The word at this place behind the first, from 1. */
static bool word_take(struct sense_control_request *out, unsigned at, const char *word, size_t len)
{
	switch (out->what) {
	case SENSE_CONTROL_STATUS:
		return flag_take(&out->text, "text", word, len) || flag_take(&out->rules, "rules", word, len);
	case SENSE_CONTROL_RELOAD:
		return flag_take(&out->text, "text", word, len);
	case SENSE_CONTROL_FINDINGS:
		if (at > 2)
			return flag_take(&out->packed, "packed", word, len);
		return number_is(word, len, at == 1 ? &out->sequence : &out->max);
	case SENSE_CONTROL_ACK:
		return at == 1 && number_is(word, len, &out->sequence);
	}
	return false;
}

bool sense_control_parse(const char *line, size_t len, struct sense_control_request *out)
{
	static const unsigned needed[] = {[SENSE_CONTROL_FINDINGS] = 2, [SENSE_CONTROL_ACK] = 1};
	const char *end = line + len;
	*out = (struct sense_control_request){0};
	for (unsigned i = 0;; i++) {
		const char *space = memchr(line, ' ', (size_t)(end - line));
		size_t n = (size_t)((space ? space : end) - line);
		if (!(i ? word_take(out, i, line, n) : what_take(out, line, n)))
			return false;
		if (!space)
			return i >= needed[out->what];
		line = space + 1;
	}
}

/* ---- clients -------------------------------------------------------------------------------------- */

static void client_end(struct client *client)
{
	ev_io_stop(client->control->loop, &client->io);
	ev_timer_stop(client->control->loop, &client->timer);
	close(client->io.fd);
	sense_buf_fini(&client->reply);
	client->used = false;
}

static void time_left(struct client *client, double seconds)
{
	client->timer.repeat = seconds;
	ev_timer_again(client->control->loop, &client->timer);
}

static void client_send(struct client *client)
{
	while (client->sent < client->reply.len) {
		ssize_t sent = send(client->io.fd, client->reply.data + client->sent,
		                    client->reply.len - client->sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent <= 0)
			break;
		client->sent += (size_t)sent;
	}
	client_end(client);
}

static void client_watch(struct client *client, int events)
{
	ev_io_stop(client->control->loop, &client->io);
	ev_io_set(&client->io, client->io.fd, events);
	ev_io_start(client->control->loop, &client->io);
}

static void client_say(struct client *client, const char *text)
{
	sense_buf_adds(&client->reply, text);
	client->waits_for = 0;
	time_left(client, CLIENT_S);
	client_watch(client, EV_WRITE);
}

static void client_reply(struct client *client)
{
	const struct sense_control_ops *ops = &client->control->ops;
	ops->reply(ops->self, &client->request, &client->reply);
	if (client->reply.failed) {
		sense_buf_clear(&client->reply);
		client_say(client, "failed\nno memory for the answer\n");
	} else {
		client_say(client, "");
	}
}

static void client_take(struct client *client, size_t len)
{
	const struct sense_control_ops *ops = &client->control->ops;
	if (!sense_control_parse(client->line, len, &client->request)) {
		client_say(client, "failed\n"
		                   "unknown request; known are: status [rules] [text], reload [text], "
		                   "findings AFTER MAX [packed], ack SEQUENCE\n");
		return;
	}
	if (client->guest && client->request.what != SENSE_CONTROL_STATUS) {
		client_say(client, "failed\nmembers of control.group may ask for the status, root for the rest\n");
		return;
	}
	if (client->request.what == SENSE_CONTROL_RELOAD)
		client->waits_for = ops->reload(ops->self);
	if (!client->waits_for) {
		client_reply(client);
		return;
	}
	ev_io_stop(client->control->loop, &client->io);
	time_left(client, RELOAD_S);
}

static void on_client(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct client *client = watcher->data;
	(void)loop;
	if (events & EV_WRITE) {
		client_send(client);
		return;
	}
	ssize_t got = recv(watcher->fd, client->line + client->have, sizeof client->line - client->have, 0);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		client_end(client);
		return;
	}
	client->have += (size_t)got;
	const char *end = memchr(client->line, '\n', client->have);
	if (end)
		client_take(client, (size_t)(end - client->line));
	else if (client->have == sizeof client->line)
		client_take(client, 0); /* no request is so long */
}

static void on_client_time(struct ev_loop *loop, ev_timer *watcher, int events)
{
	struct client *client = watcher->data;
	(void)loop;
	(void)events;
	if (client->waits_for)
		client_say(client, "failed\nthe reload is still under way; `sense-agent status` will tell\n");
	else
		client_end(client);
}

static void client_begin(sense_control *control, struct client *client, int fd)
{
	*client = (struct client){.control = control, .used = true};
	sense_buf_init(&client->reply, SENSE_CONTROL_REPLY_MAX);
	ev_io_init(&client->io, on_client, fd, EV_READ);
	client->io.data = client;
	ev_io_start(control->loop, &client->io);
	ev_init(&client->timer, on_client_time);
	client->timer.data = client;
	time_left(client, CLIENT_S);
}

/* False: not even by its group. The mode of the socket has let in no others than those of the group. */
static bool may_ask(const sense_control *control, int fd, bool *guest)
{
	uid_t peer;
	if (!sense_platform_peer_uid(fd, &peer))
		return false;
	*guest = peer && peer != geteuid();
	return !*guest || (control->ops.group && *control->ops.group);
}

static void on_accept(struct ev_loop *loop, ev_io *watcher, int events)
{
	sense_control *control = watcher->data;
	(void)loop;
	(void)events;
	int fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	bool guest = false, may = may_ask(control, fd, &guest);
	for (unsigned i = 0; may && i < SENSE_CONTROL_CLIENTS_MAX; i++)
		if (!control->clients[i].used) {
			client_begin(control, &control->clients[i], fd);
			control->clients[i].guest = guest;
			return;
		}
	close(fd);
}

void sense_control_ended(sense_control *control, uint64_t reload)
{
	for (unsigned i = 0; control && i < SENSE_CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];
		if (client->used && client->waits_for && client->waits_for <= reload)
			client_reply(client);
	}
}

/* ---- the socket ----------------------------------------------------------------------------------- */

static enum sense_status address_make(const char *path, struct sockaddr_un *address, sense_error *err)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address->sun_path)
		return sense_fail(err, SENSE_E_CONFIG, "control",
		                  "control.socket: %s: a socket's path has at most %zu bytes", path,
		                  sizeof address->sun_path - 1);
	memcpy(address->sun_path, path, strlen(path) + 1);
	return SENSE_OK;
}

/*
 * What an agent that was killed has left behind is taken over; one that answers is not, nor a file that
 * is no socket: connecting to one is refused just the same.
 */
static bool stale(const struct sockaddr_un *address)
{
	struct stat st;
	if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) &&
	               errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return refused;
}

/* An agent that is just ending may hold its socket for a moment more. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int failed = bind(fd, (const struct sockaddr *)address, sizeof *address);
	for (unsigned i = 0; failed && errno == EADDRINUSE && i < TAKE_OVER_TRIES; i++) {
		if (stale(address))
			unlink(address->sun_path);
		else
			usleep(TAKE_OVER_US);
		failed = bind(fd, (const struct sockaddr *)address, sizeof *address);
	}
	umask(mask);
	return failed;
}

static enum sense_status group_admit(const char *path, const char *name, sense_error *err)
{
	if (!name || !*name)
		return SENSE_OK;
	const struct group *group = getgrnam(name);
	if (!group)
		return sense_fail(err, SENSE_E_CONFIG, "control", "there is no group '%s' (control.group)", name);
	if (chown(path, (uid_t)-1, group->gr_gid) || chmod(path, 0660))
		return sense_fail_errno(err, "control", "cannot give %s to the group %s", path, name);
	return SENSE_OK;
}

sense_control *sense_control_open(struct ev_loop *loop, const char *path, const struct sense_control_ops *ops,
                                  sense_error *err)
{
	sense_control *control = calloc(1, sizeof *control);
	if (!control) {
		sense_fail(err, SENSE_E_MEMORY, "control", "no memory for the control socket");
		return NULL;
	}
	if (address_make(path, &control->address, err)) {
		free(control);
		return NULL;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind_private(fd, &control->address) || listen(fd, SENSE_CONTROL_CLIENTS_MAX)) {
		sense_fail_errno(err, "control", "cannot listen on %s (control.socket)", path);
		if (fd >= 0)
			close(fd);
		free(control);
		return NULL;
	}
	if (group_admit(path, ops->group, err)) {
		unlink(path);
		close(fd);
		free(control);
		return NULL;
	}
	control->loop = loop;
	control->ops = *ops;
	ev_io_init(&control->io, on_accept, fd, EV_READ);
	control->io.data = control;
	ev_io_start(loop, &control->io);
	return control;
}

void sense_control_close(sense_control *control)
{
	if (!control)
		return;
	for (unsigned i = 0; i < SENSE_CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];
		if (!client->used)
			continue;
		if (client->waits_for)
			client_say(client, "failed\nthe run has ended\n");
		client_send(client); /* what the socket takes at once */
		if (client->used)
			client_end(client);
	}
	ev_io_stop(control->loop, &control->io);
	close(control->io.fd);
	unlink(control->address.sun_path);
	free(control);
}

/* ---- the other end -------------------------------------------------------------------------------- */

static enum sense_status answer_take(int fd, struct sense_buf *answer, sense_error *err)
{
	char piece[16384];
	for (;;) {
		ssize_t got = recv(fd, piece, sizeof piece, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return sense_fail_errno(err, "control", "the agent does not answer");
		if (!got)
			break;
		sense_buf_add(answer, piece, (size_t)got);
	}
	return answer->failed ? sense_fail(err, SENSE_E_LIMIT, "control", "the answer is too long") : SENSE_OK;
}

enum sense_status sense_control_ask(const char *path, const char *request, struct sense_buf *answer,
                                    bool *ok, sense_error *err)
{
	struct sockaddr_un address;
	struct timeval wait = {.tv_sec = (time_t)RELOAD_S + 5};
	char line[SENSE_CONTROL_LINE_MAX];
	enum sense_status status = address_make(path, &address, err);
	if (status)
		return status;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address)) {
		status = sense_fail_errno(err, "control",
		                          "no agent answers at %s (control.socket of the running agent)", path);
		goto out;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	size_t len = strlen(request);
	if (len + 1 >= sizeof line)
		len = sizeof line - 2;
	memcpy(line, request, len);
	line[len] = '\n';
	if (send(fd, line, len + 1, MSG_NOSIGNAL) != (ssize_t)len + 1)
		status = sense_fail_errno(err, "control", "cannot ask the agent at %s", path);
	if (!status)
		status = answer_take(fd, answer, err);
	const char *text = sense_buf_str(answer);
	*ok = !strncmp(text, "ok\n", 3);
	if (!status && !*ok && strncmp(text, "failed\n", 7))
		status = sense_fail(err, SENSE_E_FORMAT, "control", "%s: not the answer of an agent", path);
out:
	if (fd >= 0)
		close(fd);
	return status;
}
