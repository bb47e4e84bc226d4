# What the behaviour tests share: running the agent, its output, policies in temporary folders.
#
#   use lib 't/lib'; use Sense;
#   my $run = replay('--json', @files);       $run->{code}, {out}, {err}, {timeout}
#   my @findings = objects($run);             one per line of stdout
#   my $stats = stats($run);                  of --stats, as a hash
package Sense;
use strict;
use warnings;
use Exporter 'import';
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Test::More ();
use Time::HiRes ();

our @EXPORT = qw(agent build captures temp_dir slurp spew policy run replay start finish objects stats
    problems unprivileged child_of proc_status wait_until need_agent is_sanitized);

# Generous: it only keeps a hanging agent from hanging the suite; nothing is measured by it.
use constant TIMEOUT => 600;

sub build { return $ENV{SENSE_BUILD} // 'build' }
sub agent { return build() . '/sense-agent' }
sub captures { return 't/captures' }

sub need_agent {
	Test::More::plan(skip_all => agent() . ' is not built') unless -x agent();
	$ENV{COLUMNS} = 0;
	delete @ENV{ grep { /^SENSE_/ && !/^SENSE_(?:BUILD|CAPTURES)$/ } keys %ENV };
}

# A sanitizer's runtime needs calls that the lock-down forbids, and changes the exit of a signal.
sub is_sanitized {
	open my $in, '<:raw', agent() or return 0;
	local $/;
	return index(<$in>, '__asan_init') >= 0;
}

# Readable by others too: tests of an unprivileged user look into it.
sub temp_dir {
	my $dir = File::Temp::tempdir(CLEANUP => 1);
	chmod 0755, $dir;
	return $dir;
}

sub slurp {
	my ($file) = @_;
	open my $in, '<:raw', $file or die "$file: $!";
	local $/;
	return <$in> // '';
}

sub spew {
	my ($file, $bytes) = @_;
	open my $out, '>:raw', $file or die "$file: $!";
	print $out $bytes;
	close $out or die "$file: $!";
	return $file;
}

# Writes DIR/NAME.lua, making DIR when none is given; gives DIR.
sub policy {
	my ($text, $name, $dir) = @_;
	$dir //= temp_dir();
	spew("$dir/" . ($name // 'test') . '.lua', $text);
	return $dir;
}

# ---- processes ---------------------------------------------------------------------------------------

# Options: stdin => FILE, user => UID, dir => where output goes. Gives a handle for finish().
sub start {
	my ($args, %with) = @_;
	my $dir = temp_dir();
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN, '<', $with{stdin} // '/dev/null' or POSIX::_exit(98);
		open STDOUT, '>', "$dir/out" or POSIX::_exit(98);
		open STDERR, '>', "$dir/err" or POSIX::_exit(98);
		if ($with{user}) {
			POSIX::setgid($with{user}) or POSIX::_exit(98);
			POSIX::setuid($with{user}) or POSIX::_exit(98);
		}
		exec { $args->[0] } @$args or POSIX::_exit(99);
	}
	return { pid => $pid, dir => $dir };
}

# Waits until the process ends; code is 128 + signal when one ended it, 124 when it took too long.
sub finish {
	my ($handle) = @_;
	my $done = 0;
	my $ended = wait_until(sub { ($done = waitpid $handle->{pid}, POSIX::WNOHANG()) != 0 });
	if (!$ended) {
		kill 'KILL', $handle->{pid};
		waitpid $handle->{pid}, 0;
	}
	my $code = !$ended ? 124 : $? & 127 ? 128 + ($? & 127) : $? >> 8;
	Test::More::diag("@{[TIMEOUT]} s were not enough") if !$ended;
	return {
		code => $code, timeout => !$ended,
		out => slurp("$handle->{dir}/out"), err => slurp("$handle->{dir}/err"),
	};
}

sub run { return finish(start(@_)) }

# The catalogue is given because a build folder may be anywhere; --policies unless the test has its own.
sub replay {
	my (@args) = @_;
	my $with = ref $args[-1] eq 'HASH' ? pop @args : {};
	unshift @args, '--policies', 'policies' unless grep { /^--(?:no-)?policies\b/ } @args;
	unshift @args, '--set', 'catalogue.dir=policies/catalogue' unless grep { /^catalogue\.dir=/ } @args;
	return run([ agent(), 'replay', @args ], %$with);
}

# The user id of somebody who cannot read everything; undef: nobody who could run the agent is known.
sub unprivileged {
	return $> if $>;
	my $uid = getpwnam 'nobody';
	return undef unless $uid;
	# A whole replay: the plugins may lie in a folder that is closed to others.
	my @try = (agent(), 'replay', '--no-policies', '--json', 't/captures/dns_ai.pcap');
	return run(\@try, user => $uid)->{code} ? undef : $uid;
}

sub wait_until {
	my ($condition, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // TIMEOUT);
	while (Time::HiRes::time() < $end) {
		return 1 if $condition->();
		Time::HiRes::sleep(0.002);
	}
	return 0;
}

# The id of a process whose parent this is; undef: none.
sub child_of {
	my ($parent) = @_;
	for my $file (glob '/proc/[0-9]*/stat') {
		open my $in, '<', $file or next;
		my $line = <$in> // next;
		return $1 if $line =~ /^(\d+) \(.*\) (?!Z)\S (\d+)/s && $2 == $parent;
	}
	return undef;
}

sub proc_status {
	my ($pid) = @_;
	open my $in, '<', "/proc/$pid/status" or return {};
	return { map { /^(\w+):\s+(.*?)\s*$/ ? ($1 => $2) : () } <$in> };
}

# ---- what the agent said -------------------------------------------------------------------------------

sub objects {
	my ($run) = @_;
	my $json = JSON::PP->new->utf8;
	return map { $json->decode($_) } split /\n/, $run->{out};
}

sub stats {
	my ($run) = @_;
	return { map { /^([\w.]+): ([\d.]+)$/ ? ($1 => $2) : () } split /\n/, $run->{err} };
}

# The messages on stderr without those of --stats; a log line of JSON by its text.
sub problems {
	my ($run) = @_;
	my @text;
	for my $line (split /\n/, $run->{err}) {
		next if $line =~ /^[\w.]+: [\d.]+$/;
		push @text, $line =~ /^\{/ ? JSON::PP->new->utf8->decode($line)->{message} : $line;
	}
	return @text;
}

1;
