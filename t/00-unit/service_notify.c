/* Notifications as the service manager gets them, on real sockets; and an environment that is not what it
 * seems. */
#include "core/service/notify.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "t/tap.h"

static char dir[] = "/tmp/sense-notify-XXXXXX";

/* A manager's socket; the name as NOTIFY_SOCKET has it. */
static int manager(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	memcpy(at.sun_path, name, len);
	if (*name == '@')
		at.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
		perror(name);
	return fd;
}

/* The next datagram; "" when there is none. */
static const char *got(int fd)
{
	static char text[4096];
	ssize_t len = recv(fd, text, sizeof text - 1, 0);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static struct sense_notify with(const char *address, const char *usec, const char *pid)
{
	struct sense_notify notify;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (address)
		setenv("NOTIFY_SOCKET", address, 1);
	if (usec)
		setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	sense_notify_init(&notify);
	return notify;
}

static void messages(const char *address)
{
	char want[256];
	int fd = manager(address);
	struct sense_notify notify = with(address, NULL, NULL);
	ok(!getenv("NOTIFY_SOCKET"), "%s: the variable is taken away", address);
	ok(sense_notify_ready(&notify, "watching 3 interfaces"), "ready");
	snprintf(want, sizeof want, "READY=1\nMAINPID=%ld\nSTATUS=watching 3 interfaces", (long)getpid());
	is_str(got(fd), want, "as sd_notify(3) has it");
	ok(sense_notify_status(&notify, "one\nREADY=1\tand \x7f\xc3\xa4"), "a status");
	is_str(got(fd), "STATUS=one READY=1 and  \xc3\xa4", "cannot say anything else");
	struct timespec before;
	clock_gettime(CLOCK_MONOTONIC, &before);
	ok(sense_notify_reloading(&notify), "reloading");
	unsigned long long us = 0;
	ok(sscanf(got(fd), "RELOADING=1\nMONOTONIC_USEC=%llu", &us) == 1 &&
	       us >= (unsigned long long)before.tv_sec * 1000000,
	   "with its time");
	ok(sense_notify_stopping(&notify, "") && !strcmp(got(fd), "STOPPING=1\nSTATUS="), "stopping");
	ok(sense_notify_alive(&notify) && !strcmp(got(fd), "WATCHDOG=1"), "alive");
	char longer[5000];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	ok(sense_notify_status(&notify, longer), "a long status");
	is_num(strlen(got(fd)), 7 + SENSE_NOTIFY_TEXT_MAX, "is cut");
	close(fd);
	ok(!sense_notify_alive(&notify), "the manager is gone: said, no harm done");
	if (*address == '/')
		unlink(address);
	fd = manager(address);
	ok(sense_notify_alive(&notify) && !strcmp(got(fd), "WATCHDOG=1"), "and back: it hears again");
	close(fd);
}

/* A manager that reads nothing: messages wait for room, and not for ever. */
static void deaf(void)
{
	char address[64];
	snprintf(address, sizeof address, "%s/deaf", dir);
	int fd = manager(address);
	struct sense_notify notify = with(address, NULL, NULL);
	unsigned taken = 0;
	while (taken < 100000 && sense_notify_alive(&notify))
		taken++;
	ok(taken && taken < 100000, "a manager that is deaf is left alone");
	got(fd);
	ok(sense_notify_alive(&notify), "until it hears again");
	close(fd);
}

static void nobody(void)
{
	char too_long[200];
	memset(too_long, 'a', sizeof too_long);
	too_long[0] = '/';
	too_long[SENSE_NOTIFY_ADDRESS_MAX + 1] = '\0';
	const char *const bad[] = {
	    NULL, "", "/", "@", "run/systemd/notify", "vsock:2:1234", too_long, "/nowhere/at/all", dir};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct sense_notify notify = with(bad[i], "1000000", NULL);
		ok(!sense_notify_ready(&notify, "x"), "nobody at %.20s", bad[i] ? bad[i] : "no address");
		ok(!getenv("NOTIFY_SOCKET"), "the variable is gone all the same");
	}
	too_long[SENSE_NOTIFY_ADDRESS_MAX] = '\0';
	struct sense_notify notify = with(too_long, NULL, NULL);
	is_str(notify.address, too_long, "the longest address there can be");
}

static void watchdog(void)
{
	char me[24], other[24];
	snprintf(me, sizeof me, "%ld", (long)getpid());
	snprintf(other, sizeof other, "%ld", (long)getppid());
	is_num(with("@x", "30000000", me).watchdog_us, 30000000, "the watchdog's interval");
	ok(!getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"), "its variables are taken away");
	is_num(with("@x", "30000000", NULL).watchdog_us, 30000000, "for whoever it is");
	is_num(with("@x", "30000000", other).watchdog_us, 0, "not for this process");
	static const char *const bad[] = {"",
	                                  "0",
	                                  "-1",
	                                  "+5",
	                                  " 5",
	                                  "5s",
	                                  "0x10",
	                                  "5\n",
	                                  "1e6",
	                                  "18446744073709551615",
	                                  "99999999999999999999999"};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		is_num(with("@x", bad[i], me).watchdog_us, 0, "interval: bad number %u is none", i);
		is_num(with("@x", "30000000", bad[i]).watchdog_us, 0, "pid: bad number %u is none", i);
	}
	struct sense_notify notify = with("@x", "30000000", me);
	is_num(sense_notify_alive_every_us(&notify), 15000000, "a sign of life each half of it");
	notify = with("@x", "1", me);
	is_num(sense_notify_alive_every_us(&notify), 10000, "but not in a loop");
	notify = with("@x", NULL, NULL);
	is_num(sense_notify_alive_every_us(&notify), 0, "none is asked for");
	notify = with(NULL, "30000000", me);
	is_num(sense_notify_alive_every_us(&notify), 0, "nobody to tell");
}

int main(void)
{
	char path[64], name[64];
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/notify", dir);
	snprintf(name, sizeof name, "@sense-test-%ld", (long)getpid());
	messages(path);
	messages(name);
	deaf();
	nobody();
	watchdog();
	unlink(path);
	snprintf(path, sizeof path, "%s/deaf", dir);
	unlink(path);
	rmdir(dir);
	return tap_done();
}
