/*
 * The sensor `sockets` on real sockets of real processes: whose they are, also of those that live for
 * milliseconds, in another network namespace, or were there before.
 */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "t/20-plugin/sockets_world.h"

enum { MANY = 1000, FEW = 200 };

/* What a client says of itself. */
struct claim {
	pid_t pid;
	uint16_t local_port;
};

struct client {
	int family, type;
	bool connects; /* else sendto */
	uint16_t port;
	unsigned lives_us;
};

/* ---- clients --------------------------------------------------------------------------------- */

static bool client_talk(int fd, const struct client *client)
{
	struct endpoint to = loopback(client->family, client->port);
	if (client->connects && connect(fd, (struct sockaddr *)&to.address, to.len))
		return false;
	ssize_t sent = client->connects ? send(fd, "x", 1, MSG_NOSIGNAL)
	                                : sendto(fd, "x", 1, 0, (struct sockaddr *)&to.address, to.len);
	if (client->lives_us)
		usleep(client->lives_us);
	return sent == 1;
}

static void client_main(const struct client *client, int report)
{
	int fd = socket(client->family, client->type, 0);
	struct claim claim = {.pid = getpid()};
	if (fd < 0 || !client_talk(fd, client))
		_exit(1);
	claim.local_port = port_of(fd);
	_exit(write(report, &claim, sizeof claim) == sizeof claim ? 0 : 1);
}

/* Begins a process that begins `count` clients, one after the other. */
static pid_t clients_begin(const struct client *client, unsigned count, int *claims)
{
	int pipes[2];
	if (pipe(pipes))
		return -1;
	pid_t pid = fork();
	if (!pid) {
		for (unsigned i = 0; i < count; i++) {
			pid_t one = fork();
			if (!one)
				client_main(client, pipes[1]);
			waitpid(one, NULL, 0);
		}
		_exit(0);
	}
	close(pipes[1]);
	*claims = pipes[0];
	return pid;
}

/* Accepts and drops, or swallows datagrams, until it is killed. */
static pid_t server_begin(int fd, int type)
{
	char data[64];
	pid_t pid = fork();
	if (pid)
		return pid;
	for (;;) {
		int peer = type == SOCK_STREAM ? accept(fd, NULL, NULL) : -1;
		if (type == SOCK_DGRAM && recv(fd, data, sizeof data, 0) < 0)
			_exit(1);
		if (peer < 0)
			continue;
		if (recv(peer, data, sizeof data, 0) < 0) /* what is not read would reset the connection */
			_exit(1);
		close(peer);
	}
}

static int told(uint32_t pid, uint8_t l4, uint16_t local_port, uint16_t remote_port)
{
	for (unsigned i = world.socket_count; i-- > 0;) {
		const struct sense_socket *socket = &world.sockets[i];
		if (socket->pid == pid && socket->l4 == l4 && socket->local_port == local_port &&
		    socket->remote_port == remote_port)
			return (int)i;
	}
	return -1;
}

struct expected {
	uint32_t pid;
	uint8_t l4;
	uint16_t local_port, remote_port;
};

static bool is_told(const void *what)
{
	const struct expected *expected = what;
	return told(expected->pid, expected->l4, expected->local_port, expected->remote_port) >= 0;
}

/* Runs them while the sensor looks on; claims[] of those that came about. */
static unsigned clients_run(const struct client *client, unsigned count, struct claim *claims)
{
	int from = -1;
	unsigned got = 0;
	pid_t pid = clients_begin(client, count, &from);
	struct pollfd wait = {.fd = from, .events = POLLIN};
	while (pid > 0) {
		if (world.sensor)
			world_turn(from);
		if (poll(&wait, 1, world.sensor ? 0 : -1) <= 0)
			continue;
		ssize_t len = read(from, &claims[got], sizeof *claims);
		if (len <= 0)
			break;
		got += len == sizeof *claims;
	}
	waitpid(pid, NULL, 0);
	close(from);
	return got;
}

static bool address_is(const uint8_t *address, int family)
{
	static const uint8_t ip6[16] = {[15] = 1}, ip4[16] = {[10] = 255, 255, 127, 0, 0, 1};
	return !memcmp(address, family == AF_INET ? ip4 : ip6, 16);
}

/* ---- one client of each kind ----------------------------------------------------------------- */

static void test_client(int family, int type, bool connects, const char *what)
{
	int server = server_open(family, type, 0);
	pid_t serving = server_begin(server, type);
	struct client client = {family, type, connects, port_of(server), 0};
	struct claim claim = {0};
	unsigned got = clients_run(&client, 1, &claim);
	struct expected expected = {(uint32_t)claim.pid, type == SOCK_STREAM ? 6 : 17, claim.local_port,
	                            client.port};
	ok(got == 1 && world_until(is_told, &expected), "%s: told, with both ports", what);
	int at = told(expected.pid, expected.l4, expected.local_port, expected.remote_port);
	if (at >= 0) {
		const struct sense_socket *socket = &world.sockets[at];
		ok(address_is(socket->local, family) && address_is(socket->remote, family), "%s: addresses",
		   what);
		is_str(world.names[at], "sockets_live", "%s: the name of a process that has gone", what);
		is_num(socket->uid, getuid(), "%s: its user", what);
	}
	if (type == SOCK_STREAM) {
		/* Accepted connections are those of who bound the address: this process. */
		expected = (struct expected){(uint32_t)getpid(), 6, client.port, claim.local_port};
		ok(world_until(is_told, &expected), "%s: the server's end is the server's", what);
	}
	child_end(serving);
	close(server);
}

static void test_passed(void)
{
	int server = server_open(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	struct client client = {AF_INET, SOCK_STREAM, true, port_of(server), 0};
	pid_t pid = fork();
	if (!pid)
		_exit(client_talk(fd, &client) ? 0 : 1);
	waitpid(pid, NULL, 0);
	struct expected expected = {(uint32_t)pid, 6, port_of(fd), client.port};
	ok(world_until(is_told, &expected), "a socket that was handed on is of the process that connects it");
	close(fd);
	close(server);
}

/* ---- a network namespace of its own ---------------------------------------------------------- */

static bool loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	bool up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return up;
}

static void test_namespace(int type, const char *what)
{
	int pipes[2];
	struct claim claims[2] = {{0}, {0}}; /* the server's, the client's */
	if (pipe(pipes))
		return;
	pid_t pid = fork();
	if (!pid) {
		int server = unshare(CLONE_NEWNET) || !loopback_up() ? -1 : server_open(AF_INET, type, 0);
		struct claim claim = {getpid(), port_of(server)};
		if (server < 0 || write(pipes[1], &claim, sizeof claim) < 0)
			_exit(1);
		struct client client = {AF_INET, type, true, claim.local_port, 0};
		pid_t one = fork();
		if (!one)
			client_main(&client, pipes[1]);
		waitpid(one, NULL, 0);
		_exit(0);
	}
	close(pipes[1]);
	bool got =
	    read(pipes[0], &claims[0], sizeof *claims) > 0 && read(pipes[0], &claims[1], sizeof *claims) > 0;
	waitpid(pid, NULL, 0);
	struct expected expected = {(uint32_t)claims[1].pid, type == SOCK_STREAM ? 6 : 17,
	                            claims[1].local_port, claims[0].local_port};
	ok(got && world_until(is_told, &expected), "%s in another network namespace is told", what);
	close(pipes[0]);
}

/* ---- what was there before ------------------------------------------------------------------- */

static void test_before(const char *ebpf)
{
	int server = server_open(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET6, SOCK_STREAM, 0);
	int udp_server = server_open(AF_INET, SOCK_DGRAM, 0);
	int server6 = server_open(AF_INET6, SOCK_STREAM, 0);
	struct client client = {AF_INET6, SOCK_STREAM, true, port_of(server6), 0};
	struct client later = {AF_INET, SOCK_DGRAM, false, port_of(udp_server), 0};
	pid_t holder = client_talk(fd, &client) ? fork() : -1;
	if (!holder) {
		pause();
		_exit(0);
	}
	struct expected expected = {(uint32_t)holder, 6, port_of(fd), client.port};
	close(fd); /* only the child has it now */
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	ok(world_open(SENSE_SENSOR_WATCH, ebpf, "false"), "begins");
	if (expected.local_port)
		ok(world_until(is_told, &expected), "a connection that was there is told");
	ok(client_talk(udp, &later), "a socket that was there sends");
	expected = (struct expected){(uint32_t)getpid(), 17, port_of(udp), world.gauge_ebpf ? later.port : 0};
	ok(world_until(is_told, &expected), "a socket that was there and sends is told");
	child_end(holder);
	close(server);
	close(server6);
	close(udp);
	close(udp_server);
}

/* ---- many that live for milliseconds --------------------------------------------------------- */

static bool is_claimed(const struct claim *claims, unsigned count, const struct sense_socket *socket)
{
	for (unsigned i = 0; i < count; i++)
		if (socket->local_port == claims[i].local_port && socket->pid == (uint32_t)claims[i].pid)
			return true;
	return false;
}

static double test_many(int type, unsigned count, unsigned lives_us)
{
	static struct claim claims[MANY];
	int server = server_open(AF_INET, type, 0);
	pid_t serving = server_begin(server, type);
	struct client client = {AF_INET, type, true, port_of(server), lives_us};
	const uint8_t l4 = type == SOCK_STREAM ? 6 : 17;
	unsigned before = world.socket_count;
	uint64_t begin = world_ms();
	unsigned got = clients_run(&client, count, claims), right = 0, wrong = 0;
	uint64_t took = world_ms() - begin;
	unsigned sweeps = 1;
	(void)world_until(world_swept, &sweeps);
	world_turn(-1);
	for (unsigned i = 0; i < got; i++)
		right += told((uint32_t)claims[i].pid, l4, claims[i].local_port, client.port) >= 0;
	for (unsigned i = before; i < world.socket_count; i++)
		if (world.sockets[i].l4 == l4 && world.sockets[i].remote_port == client.port &&
		    !is_claimed(claims, got, &world.sockets[i])) {
			wrong++;
			printf("# pid %u, %s: port %u to %u\n", world.sockets[i].pid, world.names[i],
			       world.sockets[i].local_port, client.port);
		}
	child_end(serving);
	close(server);
	double rate = got ? 100.0 * right / got : 0;
	printf(
	    "# %s, %s, clients that live for %s: %u of %u attributed (%.1f %%), %u wrongly, %.0f a second, "
	    "sweep %llu us\n",
	    world.gauge_ebpf ? "eBPF" : "no eBPF", type == SOCK_STREAM ? "TCP" : "UDP",
	    lives_us ? "30 ms" : "as long as it takes", right, got, rate, wrong,
	    took ? 1000.0 * got / (double)took : 0, (unsigned long long)world.gauge_sweep);
	is_num(got, count, "%u clients ran", count);
	is_num(wrong, 0, "none of them is taken for another process");
	return rate;
}

static void test_refused(void)
{
	pid_t pid = fork();
	if (!pid) {
		/* CAP_BPF and CAP_SYS_ADMIN are lost with the bounding set and another user id. */
		if (prctl(PR_CAPBSET_DROP, 39, 0, 0, 0) || setresuid(65534, 65534, 65534))
			_exit(2);
		bool open = world_open(SENSE_SENSOR_WATCH, NULL, NULL);
		if (open)
			world_sweep();
		_exit(open && !world.gauge_ebpf && world.gaps && *world.gap_why ? 0 : 1);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 2)
		printf("ok %u - rights # SKIP they cannot be given up here\n", ++tap_count);
	else
		is_num(WEXITSTATUS(status), 0, "without the right to load programs it goes on, and says why");
}

static void test_programs(void)
{
	test_client(AF_INET, SOCK_STREAM, true, "TCP, IPv4");
	test_client(AF_INET6, SOCK_STREAM, true, "TCP, IPv6");
	test_client(AF_INET, SOCK_DGRAM, true, "UDP, IPv4");
	test_client(AF_INET6, SOCK_DGRAM, true, "UDP, IPv6");
	test_client(AF_INET, SOCK_DGRAM, false, "UDP that is not connected");
	test_passed();
	test_namespace(SOCK_STREAM, "TCP");
	test_namespace(SOCK_DGRAM, "UDP");
	double rate = test_many(SOCK_STREAM, MANY, 0);
	ok(rate >= 99, "of 1000 short-lived TCP clients 99 %% are attributed");
	rate = test_many(SOCK_DGRAM, MANY, 0);
	ok(rate >= 99, "of 1000 short-lived UDP clients 99 %% are attributed");
	is_num(world.gauge_dropped, 0, "the ring had room for all");
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
	test_before(NULL);
	world_complete_sweep();
	if (world.gauge_ebpf)
		test_programs();
	else
		printf("ok %u - eBPF # SKIP %s\n", ++tap_count, world.gap_why);
	world_close();
	test_before("false");
	world_complete_sweep();
	is_num(world.gauge_ebpf, 0, "it can do without eBPF");
	ok(world.gaps, "and says so: %s", world.gap_why);
	(void)test_many(SOCK_STREAM, MANY, 0);
	(void)test_many(SOCK_STREAM, FEW, 30000);
	world_close();
	test_refused();
	return tap_done();
}
