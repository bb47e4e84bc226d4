#include "core/link/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/link/identity.h"
#include "core/link/names.h"
#include "core/platform/platform.h"
#include "core/plugin/loader.h"
#include "core/proc/child.h"

#define PLUGIN "uplink"
#define BUFFER_BYTES (2 << 20)

static const struct sense_uplink_ops *ops_load(const char *dir, sense_error *err)
{
	const struct sense_plugin *plugin = sense_plugin_load(dir, PLUGIN, err);
	const struct sense_uplink_ops *ops = NULL;
	if (plugin && plugin->size >= offsetof(struct sense_plugin, uplink) + sizeof plugin->uplink)
		ops = plugin->uplink;
	if (plugin && !ops)
		sense_fail(err, SENSE_E_UNSUPPORTED, "link", "plugin '" PLUGIN "' is no uplink");
	return ops;
}

/* What the identity has goes to the plugin, and is wiped here: the plugin made of it what it needs. */
static enum sense_status begin(const struct sense_link_start *how, const struct sense_uplink_ops *ops,
                               struct sense_uplink_want *want, void **uplink, sense_error *err)
{
	const char *servers[SENSE_IDENTITY_SERVERS_MAX];
	if (!how->agent_dir)
		return ops->begin(sense_plugin_host(), want, uplink, err);
	struct sense_identity *identity = calloc(1, sizeof *identity);
	if (!identity)
		return sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
	enum sense_status status = sense_identity_read(how->agent_dir, identity, err);
	if (!want->server_count) {
		for (unsigned i = 0; i < identity->server_count; i++)
			servers[i] = identity->servers[i];
		want->servers = servers;
		want->server_count = identity->server_count;
	}
	want->certificate = identity->certificate;
	want->key = identity->key;
	want->ca = identity->ca;
	if (!status)
		status = ops->begin(sense_plugin_host(), want, uplink, err);
	/* All that `want` leads to ends here. */
	*want = (struct sense_uplink_want){.size = sizeof *want, .names = want->names};
	sense_identity_clear(identity);
	free(identity);
	return status;
}

/* The process that looks names up is forked off first: it never has the key. */
static enum sense_status prepare(const struct sense_link_start *how, const struct sense_uplink_ops **ops,
                                 void **uplink, int fd, sense_error *err)
{
	struct sense_uplink_want want = how->want;
	want.size = sizeof want;
	enum sense_status status = sense_names_start(&want.names, err);
	if (status)
		return status;
	*ops = ops_load(how->plugins_dir, err);
	if (!*ops)
		return err->status;
	status = begin(how, *ops, &want, uplink, err);
	const int keep[] = {fd, want.names};
	return status ? status : sense_platform_netward("sense-uplink", keep, 2, false, err);
}

__attribute__((noreturn)) static void child(const struct sense_link_start *how, int fd)
{
	sense_error err = {0};
	const struct sense_uplink_ops *ops = NULL;
	void *uplink = NULL;
	if (how->leave)
		how->leave(how->self);
	if (!prepare(how, &ops, &uplink, fd, &err))
		_exit(ops->run(uplink, fd));
	struct {
		struct sense_uplink_head head;
		char text[SENSE_ERROR_MESSAGE_MAX];
	} message = {.head.kind = how->agent_dir ? SENSE_UPLINK_DOWN : SENSE_UPLINK_FAILED};
	size_t len = strlen(err.message);
	memcpy(message.text, err.message, len);
	(void)!send(fd, &message, sizeof message.head + len, MSG_NOSIGNAL);
	_exit(EXIT_FAILURE);
}

enum sense_status sense_link_process_start(const struct sense_link_start *how, pid_t *pid, int *fd,
                                           sense_error *err)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return sense_fail_errno(err, "link", "cannot make a socket");
	sense_platform_send_room(ends[0], BUFFER_BYTES);
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*pid = sense_child_fork();
	if (!*pid) {
		close(ends[0]);
		child(how, ends[1]);
	}
	close(ends[1]);
	*fd = ends[0];
	if (*pid > 0)
		return SENSE_OK;
	close(ends[0]);
	return sense_fail_errno(err, "link", "cannot start the uplink's process");
}

int sense_link_process_end(pid_t pid, int fd)
{
	int status = 0;
	close(fd);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}
