/*
 * What spool.t needs of an agent, without one: a program that fills a spool, or holds it and answers for it.
 *
 *   spool_agent fill DIR FROM TO       findings of these numbers, committed
 *   spool_agent serve DIR SOCKET       at a control socket; each line on stdin is a number to put and commit
 *   spool_agent hold DIR               without one
 *
 * Says "ready" when it is, and ends with its standard input.
 */
#include <ev.h>
#include <signal.h>

#include "core/cli/findings.h"
#include "t/spool.h"

static sense_error err;

static sense_spool *open_spool(const char *dir)
{
	struct sense_spool_config config = {.dir = dir, .max_bytes = (uint64_t)64 << 20};
	sense_spool *spool = sense_spool_open(&config, &err);
	if (!spool)
		fprintf(stderr, "%s\n", err.message);
	return spool;
}

static bool put(sense_spool *spool, uint64_t from, uint64_t to)
{
	static const char *const severities[] = {"info", "low", "medium", "high", "critical"};
	for (uint64_t n = from; n <= to; n++)
		if (put_number(spool, n, severities[n % 5], 200, NULL))
			return false;
	return !sense_spool_commit(spool, &err);
}

static void on_reply(void *self, const struct sense_control_request *request, struct sense_buf *out)
{
	if (!sense_spool_answer(self, request, out))
		sense_buf_adds(out, "failed\nno other requests here\n");
}

static uint64_t on_reload(void *self)
{
	(void)self;
	return 0;
}

static void on_input(struct ev_loop *loop, ev_io *watcher, int events)
{
	char line[64];
	(void)events;
	ssize_t got = read(watcher->fd, line, sizeof line - 1);
	line[got > 0 ? got : 0] = '\0';
	uint64_t number = strtoull(line, NULL, 10);
	if (got <= 0 || !number || !put(watcher->data, number, number))
		ev_break(loop, EVBREAK_ALL);
}

static int serve(sense_spool *spool, const char *path)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct sense_control_ops ops = {.self = spool, .reload = on_reload, .reply = on_reply};
	ev_io input;
	sense_control *control = path ? sense_control_open(loop, path, &ops, &err) : NULL;
	if (path && !control)
		return 1;
	ev_io_init(&input, on_input, STDIN_FILENO, EV_READ);
	input.data = spool;
	ev_io_start(loop, &input);
	puts("ready");
	fflush(stdout);
	ev_run(loop, 0);
	sense_control_close(control);
	return 0;
}

int main(int argc, char **argv)
{
	int code = 2;
	if (argc < 3) {
		puts("1..0 # SKIP run by spool.t");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	sense_spool *spool = open_spool(argv[2]);
	if (!spool)
		return 1;
	if (!strcmp(argv[1], "fill") && argc == 5)
		code = !put(spool, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	else if (!strcmp(argv[1], "serve") && argc == 4)
		code = serve(spool, argv[3]);
	else if (!strcmp(argv[1], "hold"))
		code = serve(spool, NULL);
	sense_spool_close(spool);
	return code;
}
