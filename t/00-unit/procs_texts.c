/* Texts of /proc as the process sensor reads them, the source compiled in: made to be misread, cut, of other
 * kinds. */
#include "plugins/procs/procfs.c"

#include <stdlib.h>

#include "t/tap.h"

#define REST " 1 2 3 4 5 4194304 7 8 9 10 11 12 13 14 15 16 17 18 1234567 20\n"

static bool stat_of(const char *text, struct procfs_stat *out)
{
	size_t n = strlen(text);
	char *exact = malloc(n + !n);
	memcpy(exact, text, n);
	bool good = procfs_stat(exact, n, out);
	free(exact);
	return good;
}

static void stats(void)
{
	struct procfs_stat s;
	ok(stat_of("7 (cat) S" REST, &s), "a stat");
	is_str(s.name, "cat", "its name");
	is_num(s.state, 'S', "its state");
	is_num(s.parent, 1, "its parent");
	is_num(s.start, 1234567, "when it began");
	ok(!(s.flags & PROCFS_KERNEL_THREAD), "it is a program");
	ok(stat_of("7 (a) R 1 () Z" REST, &s), "a name with a bracket");
	is_str(s.name, "a) R 1 (", "it is whole");
	is_num(s.state, 'Z', "and what follows is right");
	ok(stat_of("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 29 0 0", &s),
	   "a thread of the kernel");
	ok(s.flags & PROCFS_KERNEL_THREAD, "is known by its flags");
	ok(stat_of("7 () S" REST, &s) && !s.name[0], "no name");
	ok(!stat_of("", &s) && !stat_of("7 (cat", &s) && !stat_of("7 (cat)", &s) &&
	       !stat_of("7 (cat) S", &s) && !stat_of("7 (cat) S 1 2 3", &s) &&
	       !stat_of("7 (cat) S x" REST, &s),
	   "cut ones and others are refused");
}

static const char *container(const char *text)
{
	static char out[96];
	procfs_container(text, strlen(text), out, sizeof out);
	return out;
}

static void containers(void)
{
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	is_str(container("0::/system.slice/docker-" ID ".scope\n"), "0123456789ab", "docker, version 2");
	is_str(container("12:pids:/docker/" ID "\n1:name=systemd:/docker/" ID "\n"), "0123456789ab",
	       "docker, version 1");
	is_str(container("0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/"
	                 "cri-containerd-" ID ".scope"),
	       "0123456789ab", "kubernetes");
	is_str(container("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
	                 ".scope/container\n"),
	       "0123456789ab", "podman without root");
	is_str(container("0::/machine.slice/lxc.payload.web\n"), "web", "LXC");
	is_str(container("3:cpu:/lxc/web/init.scope\n0::/\n"), "web", "LXC, version 1");
	is_str(container("0::/system.slice/ssh.service\n"), "ssh.service", "a service");
	is_str(container("0::/user.slice/user-1000.slice/session-3.scope\n"), "session-3.scope", "a session");
	is_str(container("0::/\n"), "", "none");
	is_str(container(""), "", "nothing");
	is_str(container("garbage\n::"), "", "something else");
	is_str(container("0::/docker/0" ID), "", "65 digits are no id");
}

static void environments(void)
{
	char text[] = "PATH=/bin\0no value\0=x\0_A1=\0SECRET=hunter2\0lower=1\0"
		      "1A=x\0with-hyphen=x\0LAST";
	size_t n = procfs_environment(text, sizeof text);
	static const char wanted[] = "PATH\0_A1\0SECRET\0lower";
	is_num(n, sizeof wanted, "names are kept");
	ok(!memcmp(text, wanted, sizeof wanted), "those that are names");
	size_t left = 0;
	for (size_t i = n; i < sizeof text; i++)
		left += text[i] != 0;
	is_num(left, 0, "and nothing is left of what else there was");
}

static void maps(void)
{
	struct procfs_package p;
	static const char line[] =
	    "7f00-7f01 r-xp 00000000 08:01 42  /v/lib/python3/site-packages/torch/lib/x.so";
	ok(procfs_maps_package(line, strlen(line), &p), "a package's file");
	ok(p.name_len == 5 && !memcmp(p.name, "torch", 5), "its name");
	ok(p.path_len == strlen("/v/lib/python3/site-packages/torch") && *p.path == '/', "its folder");
	static const char module[] = "1-2 r 0 0 0 /usr/lib/python3/dist-packages/_cffi.abi3.so";
	ok(procfs_maps_package(module, strlen(module), &p) && p.name_len == 5, "a module that is one file");
	static const char libs[] = "1-2 r 0 0 0 /v/site-packages/tokenizers.libs/x.so";
	ok(procfs_maps_package(libs, strlen(libs), &p) && p.name_len == 10, "libraries beside a package");
	ok(!procfs_maps_package("1-2 r 0 0 0 [heap]", 18, &p) && !procfs_maps_package("", 0, &p) &&
	       !procfs_maps_package("1-2 r 0 0 0 /a/site-packages/", 29, &p),
	   "no package");
}

int main(void)
{
	char type[8];
	uint32_t uid = 9;
	static const char mounts[] =
	    "22 1 8:1 / / rw - ext4 /dev/x rw\n36 22 0:31 / /m rw shared:1 - fuse.sshfs x rw\n37 1 bad";
	stats();
	containers();
	environments();
	maps();
	ok(procfs_uid("Name:\tx\nUid:\t1000\t0\t0\t0\n", 24, &uid) && uid == 1000, "the real user");
	ok(!procfs_uid("Name:\tUid:\t1\n", 13, &uid) && !procfs_uid("a\nUid:\t\n", 8, &uid),
	   "a name is none");
	ok(procfs_mount_type(mounts, strlen(mounts), 36, type, sizeof type), "a mount");
	is_str(type, "fuse.ss", "its type, cut");
	ok(!procfs_mount_type(mounts, strlen(mounts), 37, type, sizeof type) &&
	       !procfs_mount_type(mounts, strlen(mounts), 3, type, sizeof type),
	   "others");
	return tap_done();
}
