/*
 * The sensor `sockets` on programs that listen: told when they come, once, and again when they come back;
 * asked what they speak only when that is wanted, once, and whatever they answer.
 */
#include <fcntl.h>

#include "t/20-plugin/sockets_world.h"

/* ---- who was told ---------------------------------------------------------------------------- */

struct listener {
	uint32_t pid;
	uint16_t port;
};

static unsigned times_told(uint32_t pid, uint16_t port, const struct world_listen **last)
{
	unsigned times = 0;
	for (unsigned i = 0; i < world.listen_count; i++) {
		const struct world_listen *listen = &world.listens[i];
		if (listen->pid != pid || listen->port != port)
			continue;
		times++;
		if (last)
			*last = listen;
	}
	return times;
}

static bool is_told(const void *what)
{
	const struct listener *listener = what;
	return times_told(listener->pid, listener->port, NULL);
}

static uint32_t self(void)
{
	return (uint32_t)getpid();
}

/* ---- they come and go ------------------------------------------------------------------------ */

static int listen_at(const char *address, int type, uint16_t port)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in at4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool ip4 = inet_pton(AF_INET, address, &at4.sin_addr) == 1;
	int on = 1, fd = socket(ip4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!ip4)
		inet_pton(AF_INET6, address, &at.sin6_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ip4 ? bind(fd, (struct sockaddr *)&at4, sizeof at4) : bind(fd, (struct sockaddr *)&at, sizeof at))
		return -1;
	return type == SOCK_STREAM && listen(fd, 16) ? -1 : fd;
}

static void test_before(void)
{
	int fd = listen_at("127.0.0.1", SOCK_STREAM, 0), fd6 = listen_at("::", SOCK_STREAM, 0);
	const struct listener there = {self(), port_of(fd)}, there6 = {self(), port_of(fd6)};
	const struct world_listen *last = NULL;
	static const uint8_t ip4[16] = {[10] = 255, 255, 127, 0, 0, 1}, any[16];
	ok(world_open(SENSE_SENSOR_WATCH, NULL, "false"), "begins");
	ok(world_until(is_told, &there) && world_until(is_told, &there6), "who was there is told");
	times_told(there.pid, there.port, &last);
	ok(last && last->l4 == 6 && !memcmp(last->address, ip4, 16) && !*last->speaks, "with its address");
	times_told(there6.pid, there6.port, &last);
	ok(last && !memcmp(last->address, any, 16), "any address is zeroes");
	for (unsigned i = 0; i < 3; i++)
		world_complete_sweep();
	is_num(times_told(there.pid, there.port, NULL), 1, "once, however often it is seen");
	ok(accept(fd, NULL, NULL) < 0 && errno == EAGAIN, "nobody connects when probing is off");
	close(fd);
	close(fd6);
}

static void test_returns(int type, const char *what)
{
	int fd = listen_at("0.0.0.0", type, type == SOCK_STREAM ? 0 : 20000 + getpid() % 10000);
	struct listener new = {self(), port_of(fd)};
	ok(fd >= 0 && world_until(is_told, &new), "%s: a new one is told", what);
	close(fd);
	world_complete_sweep();
	world_complete_sweep();
	is_num(times_told(new.pid, new.port, NULL), 1, "%s: and goes", what);
	fd = listen_at("0.0.0.0", type, new.port);
	world_complete_sweep();
	world_complete_sweep();
	is_num(times_told(new.pid, new.port, NULL), 2, "%s: and is told again when it is back", what);
	close(fd);
}

static void test_client_ports(void)
{
	int fd = listen_at("0.0.0.0", SOCK_DGRAM, 0);
	world_complete_sweep();
	world_complete_sweep();
	is_num(times_told(self(), port_of(fd), NULL), 0, "UDP on a port that clients get is not told");
	close(fd);
}

/* A master that hands its socket to a worker is the one that listens, until it ends. */
static void test_workers(void)
{
	int fd = listen_at("127.0.0.1", SOCK_STREAM, 0), pipes[2];
	uint32_t worker = 0;
	if (pipe(pipes))
		return;
	pid_t master = fork();
	if (!master) {
		pid_t child = fork();
		if (child && write(pipes[1], &child, sizeof child) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	struct listener first = {(uint32_t)master, port_of(fd)};
	close(fd);
	ok(read(pipes[0], &worker, sizeof worker) == sizeof worker, "a master and a worker");
	ok(world_until(is_told, &first), "of a socket that workers share its oldest process is told");
	struct listener second = {worker, first.port};
	is_num(times_told(second.pid, second.port, NULL), 0, "while that one runs");
	child_end(master);
	ok(world_until(is_told, &second), "then the worker is");
	kill((pid_t)worker, SIGKILL);
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- what they speak ------------------------------------------------------------------------- */

enum kind { JSON, EVENTS, ENDLESS, DEEP, SLOW, GARBAGE, CLOSES, SILENT, HEADERS };

struct server {
	const char *what;
	enum kind kind;
	const char *path; /* that it answers; the others are not found */
	const char *body;
	const char *speaks;
	bool ip6, chunked;
	int fd, asked;
	pid_t pid;
	uint16_t port;
};

#define INITIALIZED                                                                                         \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-03-26\",\"capabilities\":{}," \
	"\"serverInfo\":{\"name\":\"files\",\"version\":\"1\"}}}"

static struct server servers[] = {
    {.what = "Ollama",
     .path = "GET /api/tags",
     .speaks = "Ollama",
     .body = "{\"models\":[{\"name\":\"llama3:8b\",\"digest\":\"365c\",\"size\":1}]}"},
    {.what = "Ollama, IPv6",
     .path = "GET /api/tags",
     .speaks = "Ollama",
     .ip6 = true,
     .chunked = true,
     .body = "{\"models\":[]}"},
    {.what = "OpenAI-compatible",
     .path = "GET /v1/models",
     .speaks = "OpenAI-compatible",
     .chunked = true,
     .body = "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}"},
    {.what = "MCP by JSON", .path = "POST /mcp", .speaks = "MCP", .body = INITIALIZED},
    {.what = "MCP by events, which go on",
     .kind = EVENTS,
     .path = "POST /mcp",
     .speaks = "MCP",
     .body = INITIALIZED},
    {.what = "JSON of something else", .path = "GET /api/tags", .body = "{\"tags\":[\"a\"]}"},
    {.what = "models and more",
     .path = "GET /api/tags",
     .body = "{\"models\":[{\"name\":\"a\",\"digest\":\"b\"}],\"next\":null}"},
    {.what = "models without a digest", .path = "GET /api/tags", .body = "{\"models\":[{\"name\":\"a\"}]}"},
    {.what = "models that are a number",
     .path = "GET /v1/models",
     .body = "{\"object\":\"list\",\"data\":5}"},
    {.what = "an MCP error",
     .path = "POST /mcp",
     .body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,\"message\":\"no\"}}"},
    {.what = "an endless body", .kind = ENDLESS},
    {.what = "deep JSON", .kind = DEEP},
    {.what = "endless headers", .kind = HEADERS},
    {.what = "a slow answer", .kind = SLOW},
    {.what = "garbage", .kind = GARBAGE},
    {.what = "a connection closed at once", .kind = CLOSES},
    {.what = "silence", .kind = SILENT},
};

enum { SERVERS = sizeof servers / sizeof *servers };

static void say(int fd, const char *text, size_t len)
{
	if (send(fd, text, len, MSG_NOSIGNAL) < 0)
		return;
}

static void say_body(const struct server *server, int fd)
{
	char text[2048];
	int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n",
	                   server->kind == EVENTS ? "text/event-stream" : "application/json; charset=utf-8");
	size_t body_len = strlen(server->body), half = body_len / 2;
	if (server->kind == EVENTS)
		len += snprintf(text + len, sizeof text - (size_t)len, "\r\nevent: message\ndata: %s\n\n",
		                server->body);
	else if (server->chunked)
		len += snprintf(text + len, sizeof text - (size_t)len,
		                "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n%zX;x=y\r\n%s\r\n0\r\n\r\n",
		                half, (int)half, server->body, body_len - half, server->body + half);
	else
		len += snprintf(text + len, sizeof text - (size_t)len, "Content-Length: %zu\r\n\r\n%s",
		                body_len, server->body);
	say(fd, text, (size_t)len);
	if (server->kind == EVENTS)
		sleep(5); /* the stream stays open */
}

/* Until the other end has enough of it. */
static void say_forever(int fd, const char *head, const char *text, unsigned pause_us)
{
	say(fd, head, strlen(head));
	while (send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
		if (pause_us)
			usleep(pause_us);
}

static void answer(const struct server *server, int fd, const char *request)
{
	static const char found[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
	static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	static char deep[12000];
	switch (server->kind) {
	case JSON:
	case EVENTS:
		if (strncmp(request, server->path, strlen(server->path)) != 0)
			say(fd, missing, sizeof missing - 1);
		else
			say_body(server, fd);
		break;
	case ENDLESS:
		say_forever(fd, found, "{\"models\":[                        ", 0);
		break;
	case HEADERS:
		say_forever(fd, "HTTP/1.1 200 OK\r\n", "X-A: b\r\n", 0);
		break;
	case SLOW:
		say_forever(fd, "", "H", 20000);
		break;
	case DEEP:
		memset(deep, '[', sizeof deep);
		say(fd, found, sizeof found - 1);
		say(fd, deep, sizeof deep);
		break;
	case GARBAGE:
		say(fd, "\x16\x03\x01\0\0\xff\r\n\r\n", 10);
		break;
	case SILENT:
		sleep(5);
		break;
	case CLOSES:
		break;
	}
}

/* A process for each connection; each writes one byte to `asked`. */
static void server_main(const struct server *server, int asked)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(server->fd, NULL, NULL);
		if (fd < 0 || write(asked, "x", 1) != 1)
			continue;
		if (!fork()) {
			char request[2048] = "";
			if (server->kind != CLOSES && recv(fd, request, sizeof request - 1, 0) > 0)
				answer(server, fd, request);
			_exit(0);
		}
		close(fd);
	}
}

static void server_begin(struct server *server)
{
	int pipes[2];
	server->fd = server_open(server->ip6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	server->port = port_of(server->fd);
	if (server->fd < 0 || pipe2(pipes, O_NONBLOCK))
		return;
	server->pid = fork();
	if (!server->pid) {
		setpgid(0, 0);
		server_main(server, pipes[1]);
	}
	close(pipes[1]);
	close(server->fd);
	server->asked = pipes[0];
}

static void server_judge(struct server *server)
{
	const struct world_listen *last = NULL;
	struct listener listener = {(uint32_t)server->pid, server->port};
	char asked[64];
	ok(world_until(is_told, &listener), "%s: told", server->what);
	for (unsigned i = 0; i < 2; i++)
		world_complete_sweep();
	is_num(times_told(listener.pid, listener.port, &last), 1, "%s: once", server->what);
	is_str(last ? last->speaks : "", server->speaks ? server->speaks : "", "%s: what it speaks",
	       server->what);
	ssize_t times = read(server->asked, asked, sizeof asked);
	ok(times >= 1 && times <= 3, "%s: asked %zd times", server->what, times);
}

static void test_probes(void)
{
	for (unsigned i = 0; i < SERVERS; i++)
		server_begin(&servers[i]);
	ok(world_open(SENSE_SENSOR_WATCH, NULL, "true"), "begins, and asks");
	for (unsigned i = 0; i < SERVERS; i++)
		server_judge(&servers[i]);
	for (unsigned i = 0; i < SERVERS; i++) {
		kill(-servers[i].pid, SIGKILL);
		child_end(servers[i].pid);
		close(servers[i].asked);
	}
}

/* This process listens and does not answer: one connection, and none when it listens there again. */
static void test_asked_once(void)
{
	int fd = listen_at("127.0.0.1", SOCK_STREAM, 0), peer;
	struct listener listener = {self(), port_of(fd)};
	ok(world_until(is_told, &listener), "who does not answer is told");
	ok((peer = accept(fd, NULL, NULL)) >= 0, "after it was asked");
	close(peer);
	close(fd);
	world_complete_sweep();
	fd = listen_at("127.0.0.1", SOCK_STREAM, listener.port);
	world_complete_sweep();
	world_complete_sweep();
	is_num(times_told(listener.pid, listener.port, NULL), 2, "back at the same port it is told");
	ok(accept(fd, NULL, NULL) < 0 && errno == EAGAIN, "and not asked again");
	close(fd);
}

static void test_once(const char *probe)
{
	int fd = listen_at("127.0.0.1", SOCK_STREAM, 0), turns = 0;
	struct server ollama = servers[0];
	server_begin(&ollama);
	struct listener listener = {self(), port_of(fd)};
	ok(world_open(SENSE_SENSOR_ONCE, NULL, probe), "a scan begins");
	while (!world.sweeps && turns++ < 20000)
		world_sweep();
	const struct world_listen *last = NULL;
	ok(world.sweeps && is_told(&listener), "a scan tells who listens, and ends");
	times_told((uint32_t)ollama.pid, ollama.port, &last);
	is_str(last ? last->speaks : NULL, !strcmp(probe, "true") ? "Ollama" : "", "host.probe is %s", probe);
	world_close();
	kill(-ollama.pid, SIGKILL);
	child_end(ollama.pid);
	close(ollama.asked);
	close(fd);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (geteuid()) {
		printf("1..0 # SKIP sockets of other processes are seen by root only\n");
		return 0;
	}
	if (!world_load())
		return tap_done();
	test_before();
	test_returns(SOCK_STREAM, "TCP");
	test_returns(SOCK_DGRAM, "UDP");
	test_client_ports();
	test_workers();
	world_close();
	test_probes();
	test_asked_once();
	world_close();
	test_once("false");
	test_once("true");
	return tap_done();
}
