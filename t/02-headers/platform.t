#!/usr/bin/perl
# What is peculiar to Linux is in core/platform/ (and in plugins): no other file of core/, lua/ and proto/ includes
# its headers, calls what it alone has, or knows a path of /proc or /sys. Comments may speak of it.
use strict;
use warnings;
use Test::More;

my @sources = grep { -f } split /\0/, `git ls-files -z --cached --others --exclude-standard -- 'core/*.[ch]' 'lua/*.[ch]' 'proto/*.[ch]' 2>/dev/null`;
@sources = grep { -f } split /\n/, `find core lua proto -name '*.[ch]'` if !@sources;
my @platform = grep { m{^core/platform/} } @sources;
my @portable = grep { !m{^core/platform/} } @sources;
cmp_ok(scalar @portable, '>', 50, 'the sources are found');
cmp_ok(scalar @platform, '>', 1, 'and so is the platform');

my $headers = qr{^\s*\#\s*include\s*<(?:
	linux/.* | asm/.* | seccomp\.h | libmnl/.* | libnl.* | bpf/.* | mntent\.h | valgrind/.* | utmpx?\.h | sys/(?:
	prctl | inotify | fanotify | epoll | eventfd | signalfd | timerfd | pidfd | syscall | capability | sendfile | vfs |
	statfs | mount | auxv | ptrace | xattr | personality | sysinfo | sysmacros | random | fsuid | klog | quota | swap )\.h
)>}x;

# Functions, and constants of functions that others have without them.
my $calls = qr{\b(?:
	syscall | prctl | arch_prctl | gettid | tgkill | unshare | setns | clone3? | capset | capget | setfs[ug]id |
	memfd_create | memfd_secret | close_range | inotify_\w+ | fanotify_\w+ | epoll_\w+ | eventfd | signalfd | timerfd_\w+ |
	pidfd_\w+ | process_vm_\w+ | splice | vmsplice | sendfile | copy_file_range | sync_file_range | renameat2 | statx |
	openat2 | name_to_handle_at | open_by_handle_at | fallocate | getrandom | getauxval | sysinfo | prlimit(?:64)? |
	sched_setaffinity | sched_getaffinity | sched_getcpu | ioprio_\w+ | mremap | get_nprocs\w* | mallopt | malloc_trim |
	mallinfo2? | seccomp_\w+ | bpf_\w+ | mnl_\w+ | canonicalize_file_name | secure_getenv | euidaccess | readahead
)\s*\(}x;
my $words = qr{\b(?:
	PR_(?:SET|GET|CAP)\w+ | CLONE_NEW\w+ | IN_(?:CREATE|DELETE|MOVE|MODIFY|CLOSE_WRITE)\w* | F_ADD_SEALS | F_SEAL_\w+ |
	SIGEV_THREAD_ID | SO_PEERCRED | SCM_CREDENTIALS | ucred | SO_(?:RCV|SND)BUFFORCE | SO_ATTACH_\w+ | SO_BINDTODEVICE |
	AF_(?:NETLINK|PACKET|VSOCK|ALG) | PF_(?:NETLINK|PACKET) | NETLINK_\w+ | TPACKET_\w+ | O_(?:PATH|TMPFILE|NOATIME|DIRECT) |
	AT_EMPTY_PATH | RESOLVE_\w+ | MAP_(?:POPULATE|HUGETLB|GROWSDOWN|32BIT|FIXED_NOREPLACE) |
	MADV_(?:HUGEPAGE|NOHUGEPAGE|DONTDUMP|WIPEONFORK|REMOVE|DONTFORK) | RLIMIT_(?:NICE|RTPRIO|RTTIME|SIGPENDING|MSGQUEUE) |
	CLOCK_(?:BOOTTIME|MONOTONIC_RAW|MONOTONIC_COARSE|REALTIME_COARSE|TAI)\w* | SYS_\w+ | __NR_\w+ | CAP_(?:NET|SYS|DAC|SET|BPF|PERFMON|KILL|CHOWN|FOWNER|IPC)\w*
)\b}x;
my $paths = qr{"(?:[^"\\]|\\.)*?(?:(?<![\w.])|%s)/(?:proc|sys)[/"]};

# The text without comments, its lines kept; what is in quotes stays.
sub code_of {
	my ($file) = @_;
	open my $in, '<', $file or die "$file: $!";
	local $/;
	my $text = <$in>;
	$text =~ s{("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+')|/\*.*?\*/|//[^\n]*}{$1 // "\n" x (() = $& =~ /\n/g)}gse;
	return split /\n/, $text;
}

sub found_in {
	my ($what, @files) = @_;
	my @found;
	for my $file (@files) {
		my $number = 0;
		for my $line (code_of($file)) {
			$number++;
			# In a text a word is only a word, but for paths.
			my $bare = $what == $paths || $what == $headers ? $line : $line =~ s/"(?:[^"\\]|\\.)*"/""/gr;
			push @found, "$file:$number: $&" if $bare =~ $what;
		}
	}
	return @found;
}

my @kinds = (['header', $headers], ['call', $calls], ['constant', $words], ['path of /proc or /sys', $paths]);
for (@kinds) {
	my ($name, $what) = @$_;
	is_deeply([found_in($what, @portable)], [], "no $name of Linux outside core/platform");
	isnt(scalar found_in($what, @platform), 0, "there it would be found: $name");
}

# Every function that platform.h promises is there, and each is wanted.
my $header = join "\n", code_of('core/platform/platform.h');
my @promised = $header =~ /\b(sense_platform_\w+)\s*\(/g;
my $portable = join "\n", map { code_of($_) } grep { /\.c$/ } @portable;
my $platform = join "\n", map { code_of($_) } grep { /\.c$/ } @platform;
is_deeply([grep { $platform !~ /^[a-z][^;=\n]*\b\Q$_\E\([^;]*\n\{/m } @promised], [], 'what platform.h promises is there');
is_deeply([grep { $portable !~ /\b\Q$_\E\(/ } @promised], [], 'and wanted');
my @inner = map { m{^core/platform/(linux\w*\.h)$} ? $1 : () } @platform;
is_deeply([grep { my $inner = $_; $portable =~ m{"core/platform/\Q$inner\E"} } @inner], [], 'nobody else knows its inner headers');

done_testing();
